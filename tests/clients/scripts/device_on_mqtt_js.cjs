// A device or a publisher on MQTT.js, over TCP or WebSocket.

const { parseArgs } = require('node:util');
const mqtt = require('mqtt');

const text = { type: 'string' };
const flag = { type: 'boolean', default: false };
const { values: told } = parseArgs({
  options: {
    host: text, port: text, version: text, id: text, user: text, password: text, durable: flag,
    will: text, subscribe: text, leave: flag, publish: text, payload: text, qos: text,
    retain: flag, websocket: flag,
  },
});
const say = (...words) => console.log(...words);

function fail(error) {
  console.error(error);
  process.exit(1);
}

function options() {
  const version = { '3.1': 3, '3.1.1': 4, '5': 5 }[told.version];
  return {
    clientId: told.id,
    username: told.user,
    password: told.password,
    protocolVersion: version,
    protocolId: version == 3 ? 'MQIsdp' : 'MQTT',
    clean: !told.durable,
    properties: version == 5 && told.durable ? { sessionExpiryInterval: 3600 } : undefined,
    will: told.will ? { topic: told.will, payload: 'gone', qos: 1, retain: false } : undefined,
    reconnectPeriod: 200,
    resubscribe: false,
  };
}

const url = told.websocket
  ? `ws://${told.host}:${told.port}/mqtt`
  : `mqtt://${told.host}:${told.port}`;
const client = mqtt.connect(url, options());

function publish() {
  const how = { qos: Number(told.qos), retain: told.retain };
  client.publish(told.publish, told.payload, how, (error) => {
    if (error) fail(error);
    say('published');
    client.end();
  });
}

function subscribe() {
  client.subscribe(told.subscribe, { qos: 2 }, (error) => {
    if (error) fail(error);
    say('subscribed');
    if (told.leave) client.end();
  });
}

client.on('connect', (connack) => {
  say('connected', Number(connack.sessionPresent));
  if (told.publish) publish();
  else if (told.subscribe && !connack.sessionPresent) subscribe();
  else if (told.leave) client.end();
});
client.on('message', (topic, payload, packet) =>
  say('message', topic, packet.qos, Number(packet.retain), payload.toString()));
client.on('error', (error) => {
  // Without a code of the protocol it is the network, and it tries again.
  if (!(error.code > 0)) return;
  say('refused', error.code);
  process.exit(1);
});
