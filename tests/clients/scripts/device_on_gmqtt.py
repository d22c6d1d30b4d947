"""A device or a publisher on gmqtt."""

import asyncio
import sys

import gmqtt
from gmqtt.mqtt.constants import UNLIMITED_RECONNECTS, MQTTv50, MQTTv311
from gmqtt.mqtt.handler import MQTTConnectError
from gmqtt.storage import PersistentStorage

from options import options, say

told = options()
subscribed = asyncio.Event()


def on_connect(client, resumed, code, properties):
    say('connected', int(resumed))
    if told.subscribe and not resumed:
        client.subscribe(told.subscribe, qos=2)
    else:
        subscribed.set()


def on_subscribe(client, mid, qos, properties):
    say('subscribed')
    subscribed.set()


def on_message(client, topic, payload, qos, properties):
    say('message', topic, qos, int(properties['retain']), payload.decode())
    return 0


def create(unacknowledged):
    more = {}
    if told.durable and told.version == '5':
        more['session_expiry_interval'] = 3600
    if told.will:
        more['will_message'] = gmqtt.Message(told.will, 'gone', qos=1)
    client = gmqtt.Client(told.id, clean_session=not told.durable,
                          persistent_storage=unacknowledged, **more)
    client.set_auth_credentials(told.user, told.password)
    client.set_config({'reconnect_delay': 0.2, 'reconnect_retries': UNLIMITED_RECONNECTS})
    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    return client


async def main():
    unacknowledged = PersistentStorage()
    client = create(unacknowledged)
    version = {'3.1.1': MQTTv311, '5': MQTTv50}[told.version]
    try:
        await client.connect(told.host, told.port, version=version)
    except MQTTConnectError as error:
        say('refused', error._code)
        sys.exit(1)
    if told.publish:
        client.publish(told.publish, told.payload, told.qos, told.retain)
        await unacknowledged.wait_empty()
        say('published')
    elif told.leave:
        await subscribed.wait()
    else:
        await asyncio.Event().wait()
    await client.disconnect()


asyncio.run(main())
