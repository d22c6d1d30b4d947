"""A device or a publisher on paho-mqtt, 1.6 or 2."""

import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from options import options, say

told = options()


def on_connect(client, userdata, flags, code, properties=None):
    if code != 0:
        say('refused', getattr(code, 'value', code))
        sys.exit(1)
    resumed = flags['session present'] if isinstance(flags, dict) else flags.session_present
    say('connected', int(resumed))
    if told.publish:
        client.publish(told.publish, told.payload, told.qos, told.retain)
    elif told.subscribe and not resumed:
        client.subscribe(told.subscribe, 2)
    elif told.leave:
        client.disconnect()


def on_subscribe(client, *rest):
    say('subscribed')
    if told.leave:
        client.disconnect()


def on_publish(client, *rest):
    say('published')
    client.disconnect()


def on_message(client, userdata, message):
    payload = message.payload.decode()
    say('message', message.topic, message.qos, int(message.retain), payload)


def create():
    version = {'3.1': mqtt.MQTTv31, '3.1.1': mqtt.MQTTv311, '5': mqtt.MQTTv5}[told.version]
    clean = None if told.version == '5' else not told.durable
    api = [mqtt.CallbackAPIVersion.VERSION2] if hasattr(mqtt, 'CallbackAPIVersion') else []
    client = mqtt.Client(*api, client_id=told.id, clean_session=clean, protocol=version)
    client.username_pw_set(told.user, told.password)
    if told.will:
        client.will_set(told.will, 'gone', 1)
    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_publish = on_publish
    client.on_message = on_message
    return client


def connect(client):
    if told.version != '5':
        return client.connect(told.host, told.port)
    properties = Properties(PacketTypes.CONNECT)
    if told.durable:
        properties.SessionExpiryInterval = 3600
    return client.connect(told.host, told.port, clean_start=not told.durable, properties=properties)


client = create()
connect(client)
client.loop_forever()
