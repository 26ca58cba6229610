/*
 * The part of Mosquitto's plugin interface that doorman uses, as one superset of every supported
 * broker (2.0.8 and later; compared with the headers of 2.0.11, 2.0.21 and 2.1.2 by abi_probe.cpp).
 *
 * Ours, written from the facts in docs/broker.md; no broker header is needed to build. Each struct
 * keeps the broker's trailing spare pointers so that its size matches, and the broker zeroes them.
 * A field that only some brokers fill says since when.
 */
#ifndef DOORMAN_MOSQUITTO_ABI_H
#define DOORMAN_MOSQUITTO_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Plugin interface version, and the one value mosquitto_plugin_version may answer. */
#define MOSQ_PLUGIN_VERSION 5

/* Return codes. MOSQ_ERR_SUCCESS means "granted": nothing of ours may return it by default. */
#define MOSQ_ERR_AUTH_DELAYED (-5) /* since 2.1 */
#define MOSQ_ERR_AUTH_CONTINUE (-4)
#define MOSQ_ERR_SUCCESS 0
#define MOSQ_ERR_INVAL 3
#define MOSQ_ERR_NOT_FOUND 6
#define MOSQ_ERR_NOT_SUPPORTED 10
#define MOSQ_ERR_AUTH 11
#define MOSQ_ERR_ACL_DENIED 12
#define MOSQ_ERR_UNKNOWN 13
#define MOSQ_ERR_PLUGIN_DEFER 17
#define MOSQ_ERR_ALREADY_EXISTS 31
#define MOSQ_ERR_PLUGIN_IGNORE 32 /* since 2.1 */

/* MQTT 5 reason code that 2.1 passes on from BASIC_AUTH; 2.0 closes the connection without a CONNACK. */
#define MQTT_RC_SERVER_BUSY 137

/* Log levels: exactly one per line. */
#define MOSQ_LOG_INFO 1
#define MOSQ_LOG_NOTICE 2
#define MOSQ_LOG_WARNING 4
#define MOSQ_LOG_ERR 8
#define MOSQ_LOG_DEBUG 16

/* Access kinds of MOSQ_EVT_ACL_CHECK. */
#define MOSQ_ACL_READ 1
#define MOSQ_ACL_WRITE 2
#define MOSQ_ACL_SUBSCRIBE 4
#define MOSQ_ACL_UNSUBSCRIBE 8

/* Events. Registering one that a broker does not know answers MOSQ_ERR_NOT_SUPPORTED. */
#define MOSQ_EVT_RELOAD 1
#define MOSQ_EVT_ACL_CHECK 2
#define MOSQ_EVT_BASIC_AUTH 3
#define MOSQ_EVT_EXT_AUTH_START 4
#define MOSQ_EVT_EXT_AUTH_CONTINUE 5
#define MOSQ_EVT_CONTROL 6
#define MOSQ_EVT_MESSAGE 7
#define MOSQ_EVT_PSK_KEY 8
#define MOSQ_EVT_TICK 9
#define MOSQ_EVT_DISCONNECT 10
#define MOSQ_EVT_CONNECT 11        /* since 2.1 */
#define MOSQ_EVT_SUBSCRIBE 12      /* since 2.1 */
#define MOSQ_EVT_UNSUBSCRIBE 13    /* since 2.1 */
#define MOSQ_EVT_MESSAGE_OUT 27    /* since 2.1 */
#define MOSQ_EVT_CLIENT_OFFLINE 28 /* since 2.1 */

struct mosquitto;
typedef struct mqtt5__property mosquitto_property;
typedef struct mosquitto_plugin_id_t mosquitto_plugin_id_t;

struct mosquitto_opt {
	char *key;
	char *value;
};

/* options is NULL and option_count 0 in every version: options are read once, at init. */
struct mosquitto_evt_reload {
	void *future;
	struct mosquitto_opt *options;
	int option_count;
	void *future2[4];
};

struct mosquitto_evt_acl_check {
	void *future;
	struct mosquitto *client;
	const char *topic;
	const void *payload;
	mosquitto_property *properties; /* NULL in 2.0 */
	int access;
	uint32_t payloadlen;
	uint8_t qos;
	bool retain;
	void *future2[4];
};

struct mosquitto_evt_basic_auth {
	void *future;
	struct mosquitto *client;
	char *username;
	char *password;
	union {
		uint16_t password_len; /* since 2.1.3, in the first spare pointer; 0 before: unknown */
		void *future2;
	} spare;
	void *future3[3];
};

struct mosquitto_evt_psk_key {
	void *future;
	struct mosquitto *client;
	const char *hint;
	const char *identity;
	char *key;
	int max_key_len;
	void *future2[4];
};

struct mosquitto_evt_extended_auth {
	void *future;
	struct mosquitto *client;
	const void *data_in;
	void *data_out; /* released by the broker with free() */
	uint16_t data_in_len;
	uint16_t data_out_len;
	const char *auth_method; /* since 2.0.5; NULL in CONTINUE before 2.1 */
	void *future2[3];
};

/* MOSQ_EVT_CONTROL */
struct mosquitto_evt_control {
	void *future;
	struct mosquitto *client;
	const char *topic;
	const void *payload;
	const mosquitto_property *properties;
	char *reason_string; /* released by the broker with free() */
	uint32_t payloadlen;
	uint8_t qos;
	uint8_t reason_code;
	bool retain;
	void *future2[4];
};

/*
 * now_s, next_s and what follows move with the width of time_t on 32-bit systems: never touch them.
 * Filled since 2.1 only; next_ms lies where 2.0 has an unused next_ns.
 */
struct mosquitto_evt_tick {
	void *future;
	long now_ns;
	long next_ms;
	time_t now_s;
	time_t next_s;
	void *future2[4];
};

/* since 2.1 */
struct mosquitto_evt_connect {
	void *future;
	struct mosquitto *client;
	void *future2[4];
};

/* MOSQ_EVT_DISCONNECT, and MOSQ_EVT_CLIENT_OFFLINE since 2.1 */
struct mosquitto_evt_disconnect {
	void *future;
	struct mosquitto *client;
	int reason; /* -1 in 2.0 */
	void *future2[4];
};

#ifndef DOORMAN_ABI_WITHOUT_FUNCTIONS

typedef int (*MOSQ_FUNC_generic_callback)(int event, void *event_data, void *userdata);

/* In every supported broker. */
int mosquitto_callback_register(mosquitto_plugin_id_t *identifier, int event,
		MOSQ_FUNC_generic_callback cb_func, const void *event_data, void *userdata);
int mosquitto_callback_unregister(mosquitto_plugin_id_t *identifier, int event,
		MOSQ_FUNC_generic_callback cb_func, const void *event_data);
const char *mosquitto_client_address(const struct mosquitto *client);
const char *mosquitto_client_id(const struct mosquitto *client);
const char *mosquitto_client_username(const struct mosquitto *client);
void *mosquitto_client_certificate(const struct mosquitto *client);
int mosquitto_client_protocol_version(const struct mosquitto *client);
int mosquitto_client_sub_count(const struct mosquitto *client);
int mosquitto_set_username(struct mosquitto *client, const char *username);
int mosquitto_broker_publish_copy(const char *clientid, const char *topic, int payloadlen,
		const void *payload, int qos, bool retain, mosquitto_property *properties);
int mosquitto_kick_client_by_clientid(const char *clientid, bool with_will);
int mosquitto_kick_client_by_username(const char *username, bool with_will);
void mosquitto_log_printf(int level, const char *fmt, ...);

/* Since 2.1. */
struct mosquitto *mosquitto_client(const char *clientid);
int mosquitto_client_port(const struct mosquitto *client);
int mosquitto_plugin_set_info(mosquitto_plugin_id_t *identifier, const char *plugin_name,
		const char *plugin_version);
void mosquitto_complete_basic_auth(const char *clientid, int result);

#endif
#endif
