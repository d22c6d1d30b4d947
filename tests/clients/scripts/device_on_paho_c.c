/* A device or a publisher on paho C, its asynchronous library. */

#include <MQTTAsync.h>
#include <getopt.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const char *host, *port, *version, *id, *user, *password, *will, *subscribe, *publish, *payload;
    int durable, leave, qos, retain;
} told;

static MQTTAsync client;
static sem_t ended;

static int is_v5(void) { return strcmp(told.version, "5") == 0; }

static void fail(const char *what, int code) {
    fprintf(stderr, "%s: %d\n", what, code);
    exit(1);
}

static void must(const char *what, int code) {
    if (code != MQTTASYNC_SUCCESS) fail(what, code);
}

/* -- what has happened, for both families of callbacks ------------------------------------- */

static void on_disconnected(void *context, MQTTAsync_successData *data) { sem_post(&ended); }
static void on_disconnected5(void *context, MQTTAsync_successData5 *data) { sem_post(&ended); }

static void leave(void) {
    MQTTAsync_disconnectOptions plain = MQTTAsync_disconnectOptions_initializer;
    MQTTAsync_disconnectOptions five = MQTTAsync_disconnectOptions_initializer5;
    MQTTAsync_disconnectOptions *options = is_v5() ? &five : &plain;
    plain.onSuccess = on_disconnected;
    five.onSuccess5 = on_disconnected5;
    must("disconnect", MQTTAsync_disconnect(client, options));
}

static void subscribed(void) {
    puts("subscribed");
    if (told.leave) leave();
}

static void on_subscribed(void *context, MQTTAsync_successData *data) { subscribed(); }
static void on_subscribed5(void *context, MQTTAsync_successData5 *data) { subscribed(); }

static void published(void) {
    puts("published");
    leave();
}

static void on_published(void *context, MQTTAsync_successData *data) { published(); }
static void on_published5(void *context, MQTTAsync_successData5 *data) { published(); }

static void on_failure(void *context, MQTTAsync_failureData *data) { fail("failed", data->code); }

static void on_failure5(void *context, MQTTAsync_failureData5 *data) {
    fail("failed", data->reasonCode ? (int)data->reasonCode : data->code);
}

/* -- what is to be done --------------------------------------------------------------------- */

static MQTTAsync_responseOptions answers(MQTTAsync_onSuccess *plain, MQTTAsync_onSuccess5 *five) {
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    if (is_v5()) {
        options.onSuccess5 = five;
        options.onFailure5 = on_failure5;
    } else {
        options.onSuccess = plain;
        options.onFailure = on_failure;
    }
    return options;
}

static void subscribe(void) {
    MQTTAsync_responseOptions options = answers(on_subscribed, on_subscribed5);
    must("subscribe", MQTTAsync_subscribe(client, told.subscribe, 2, &options));
}

static void publish(void) {
    MQTTAsync_responseOptions options = answers(on_published, on_published5);
    int length = (int)strlen(told.payload);
    must("publish", MQTTAsync_send(client, told.publish, length, told.payload, told.qos,
                                   told.retain, &options));
}

static void connected(int resumed) {
    printf("connected %d\n", resumed);
    if (told.publish) publish();
    else if (told.subscribe && !resumed) subscribe();
    else if (told.leave) leave();
}

static void on_connected(void *context, MQTTAsync_successData *data) {
    connected(data->alt.connect.sessionPresent);
}

static void on_connected5(void *context, MQTTAsync_successData5 *data) {
    connected(data->alt.connect.sessionPresent);
}

static void refused(int code) {
    printf("refused %d\n", code);
    exit(1);
}

static void on_refused(void *context, MQTTAsync_failureData *data) { refused(data->code); }
/* The reason of a CONNACK is in `code`. */
static void on_refused5(void *context, MQTTAsync_failureData5 *data) { refused(data->code); }

static int on_message(void *context, char *topic, int topic_length, MQTTAsync_message *message) {
    int length = topic_length > 0 ? topic_length : (int)strlen(topic);
    printf("message %.*s %d %d %.*s\n", length, topic, message->qos, message->retained,
           message->payloadlen, (char *)message->payload);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

/* -- the connection -------------------------------------------------------------------------- */

static int version(void) {
    if (is_v5()) return MQTTVERSION_5;
    return strcmp(told.version, "3.1") == 0 ? MQTTVERSION_3_1 : MQTTVERSION_3_1_1;
}

static void create(void) {
    static char url[300];
    snprintf(url, sizeof url, "tcp://%s:%s", told.host, told.port);
    MQTTAsync_createOptions options = MQTTAsync_createOptions_initializer;
    options.MQTTVersion = version();
    must("create", MQTTAsync_createWithOptions(&client, url, told.id, MQTTCLIENT_PERSISTENCE_NONE,
                                               NULL, &options));
    must("callbacks", MQTTAsync_setCallbacks(client, NULL, NULL, on_message, NULL));
}

static void set_session(MQTTAsync_connectOptions *options) {
    static MQTTProperties properties = MQTTProperties_initializer;
    MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL,
                           .value.integer4 = 3600};
    if (!is_v5()) {
        options->cleansession = !told.durable;
        return;
    }
    options->cleanstart = !told.durable;
    if (told.durable) MQTTProperties_add(&properties, &expiry);
    options->connectProperties = &properties;
}

static void set_answers(MQTTAsync_connectOptions *options) {
    if (is_v5()) {
        options->onSuccess5 = on_connected5;
        options->onFailure5 = on_refused5;
    } else {
        options->onSuccess = on_connected;
        options->onFailure = on_refused;
    }
}

static void begin(void) {
    MQTTAsync_connectOptions plain = MQTTAsync_connectOptions_initializer;
    MQTTAsync_connectOptions five = MQTTAsync_connectOptions_initializer5;
    MQTTAsync_connectOptions *options = is_v5() ? &five : &plain;
    MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
    options->MQTTVersion = version();
    options->username = told.user;
    options->password = told.password;
    options->automaticReconnect = 1;
    options->minRetryInterval = 1;
    options->maxRetryInterval = 1;
    will.topicName = told.will;
    will.message = "gone";
    will.qos = 1;
    if (told.will) options->will = &will;
    set_session(options);
    set_answers(options);
    must("connect", MQTTAsync_connect(client, options));
}

static void read_options(int count, char **words) {
    static const struct option known[] = {
        {"host", 1, 0, 'h'}, {"port", 1, 0, 'p'}, {"version", 1, 0, 'v'}, {"id", 1, 0, 'i'},
        {"user", 1, 0, 'u'}, {"password", 1, 0, 'w'}, {"durable", 0, 0, 'd'},
        {"will", 1, 0, 'l'}, {"subscribe", 1, 0, 's'}, {"leave", 0, 0, 'x'},
        {"publish", 1, 0, 't'}, {"payload", 1, 0, 'm'}, {"qos", 1, 0, 'q'},
        {"retain", 0, 0, 'r'}, {0, 0, 0, 0}};
    for (int option; (option = getopt_long(count, words, "", known, NULL)) != -1;) {
        switch (option) {
        case 'h': told.host = optarg; break;
        case 'p': told.port = optarg; break;
        case 'v': told.version = optarg; break;
        case 'i': told.id = optarg; break;
        case 'u': told.user = optarg; break;
        case 'w': told.password = optarg; break;
        case 'd': told.durable = 1; break;
        case 'l': told.will = optarg; break;
        case 's': told.subscribe = optarg; break;
        case 'x': told.leave = 1; break;
        case 't': told.publish = optarg; break;
        case 'm': told.payload = optarg; break;
        case 'q': told.qos = atoi(optarg); break;
        case 'r': told.retain = 1; break;
        default: exit(2);
        }
    }
}

int main(int count, char **words) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    sem_init(&ended, 0, 0);
    read_options(count, words);
    create();
    begin();
    while (sem_wait(&ended) != 0) {}
    MQTTAsync_destroy(&client);
    return 0;
}
