"""A device or a publisher on aiomqtt. It does not tell whether a session was resumed, so that it
subscribes at every connect, as its documentation does."""

import asyncio
import sys

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from options import options, say

told = options()

VERSIONS = {
    '3.1': aiomqtt.ProtocolVersion.V31,
    '3.1.1': aiomqtt.ProtocolVersion.V311,
    '5': aiomqtt.ProtocolVersion.V5,
}


def session():
    if told.version != '5':
        return {'clean_session': not told.durable}
    properties = Properties(PacketTypes.CONNECT)
    if told.durable:
        properties.SessionExpiryInterval = 3600
    return {'clean_start': not told.durable, 'properties': properties}


def create():
    will = aiomqtt.Will(told.will, 'gone', 1) if told.will else None
    return aiomqtt.Client(told.host, told.port, identifier=told.id, username=told.user,
                          password=told.password, will=will, protocol=VERSIONS[told.version],
                          **session())


async def work(client):
    if told.publish:
        await client.publish(told.publish, told.payload, told.qos, told.retain)
        return say('published')
    if told.subscribe:
        await client.subscribe(told.subscribe, qos=2)
        say('subscribed')
    if told.leave:
        return
    async for message in client.messages:
        payload = message.payload.decode()
        say('message', message.topic, message.qos, int(message.retain), payload)


async def main():
    client = create()
    while True:
        try:
            async with client:
                say('connected')
                return await work(client)
        except aiomqtt.exceptions.MqttConnectError as error:
            say('refused', error.rc.value)
            sys.exit(1)
        except aiomqtt.MqttError:
            # It does not come back by itself; its documentation does it so.
            await asyncio.sleep(0.2)


asyncio.run(main())
