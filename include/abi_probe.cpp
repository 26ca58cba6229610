// Compares mosquitto_abi.h with an installed broker's own headers; does not compile when they differ.
//
// Both headers declare the same names, so each is read into a namespace of its own. What is a
// macro in either is first noted as the broker has it, then forgotten. Nothing here is ever run.
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <stdbool.h>
#include <stdio.h>

#if __has_include(<mosquitto/broker.h>)
#define BROKER_2_1
#endif

// Standard headers that a broker's header may include must not land in a namespace.
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

namespace broker {
#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <mqtt_protocol.h>

#define CONSTANTS_2_0(X) \
	X(MOSQ_PLUGIN_VERSION) \
	X(MOSQ_ERR_AUTH_CONTINUE) X(MOSQ_ERR_SUCCESS) X(MOSQ_ERR_INVAL) X(MOSQ_ERR_NOT_FOUND) \
	X(MOSQ_ERR_NOT_SUPPORTED) X(MOSQ_ERR_AUTH) X(MOSQ_ERR_ACL_DENIED) X(MOSQ_ERR_UNKNOWN) \
	X(MOSQ_ERR_PLUGIN_DEFER) X(MOSQ_ERR_ALREADY_EXISTS) X(MQTT_RC_SERVER_BUSY) \
	X(MOSQ_LOG_INFO) X(MOSQ_LOG_NOTICE) X(MOSQ_LOG_WARNING) X(MOSQ_LOG_ERR) X(MOSQ_LOG_DEBUG) \
	X(MOSQ_ACL_READ) X(MOSQ_ACL_WRITE) X(MOSQ_ACL_SUBSCRIBE) X(MOSQ_ACL_UNSUBSCRIBE) \
	X(MOSQ_EVT_RELOAD) X(MOSQ_EVT_ACL_CHECK) X(MOSQ_EVT_BASIC_AUTH) X(MOSQ_EVT_EXT_AUTH_START) \
	X(MOSQ_EVT_EXT_AUTH_CONTINUE) X(MOSQ_EVT_CONTROL) X(MOSQ_EVT_MESSAGE) X(MOSQ_EVT_PSK_KEY) \
	X(MOSQ_EVT_TICK) X(MOSQ_EVT_DISCONNECT)

#ifdef BROKER_2_1
#define CONSTANTS(X) CONSTANTS_2_0(X) \
	X(MOSQ_ERR_AUTH_DELAYED) X(MOSQ_ERR_PLUGIN_IGNORE) \
	X(MOSQ_EVT_CONNECT) X(MOSQ_EVT_SUBSCRIBE) X(MOSQ_EVT_UNSUBSCRIBE) \
	X(MOSQ_EVT_MESSAGE_OUT) X(MOSQ_EVT_CLIENT_OFFLINE)
#else
#define CONSTANTS(X) CONSTANTS_2_0(X)
#endif

#define NOTE(name) constexpr long value_of_##name = static_cast<long>(name);
CONSTANTS(NOTE)
}

#undef MOSQ_PLUGIN_VERSION
#undef MOSQ_LOG_INFO
#undef MOSQ_LOG_NOTICE
#undef MOSQ_LOG_WARNING
#undef MOSQ_LOG_ERR
#undef MOSQ_LOG_DEBUG
#undef MOSQ_ACL_READ
#undef MOSQ_ACL_WRITE
#undef MOSQ_ACL_SUBSCRIBE
#undef MOSQ_ACL_UNSUBSCRIBE

namespace ours {
#define DOORMAN_ABI_WITHOUT_FUNCTIONS
#include "mosquitto_abi.h"
}

#define SAME_CONSTANT(name) \
	static_assert(broker::value_of_##name == static_cast<long>(name), #name " differs");
CONSTANTS(SAME_CONSTANT)

#define SAME_SIZE(type) \
	static_assert(sizeof(broker::type) == sizeof(ours::type), "size of " #type " differs");
#define SAME_FIELD_AS(type, theirs, mine) \
	static_assert(offsetof(broker::type, theirs) == offsetof(ours::type, mine), \
			"offset of " #type "." #theirs " differs"); \
	static_assert(sizeof(broker::type::theirs) == sizeof(ours::type::mine), \
			"size of " #type "." #theirs " differs");
#define SAME_FIELD(type, field) SAME_FIELD_AS(type, field, field)

SAME_SIZE(mosquitto_opt)
SAME_FIELD(mosquitto_opt, key)
SAME_FIELD(mosquitto_opt, value)

SAME_SIZE(mosquitto_evt_reload)
SAME_FIELD(mosquitto_evt_reload, options)
SAME_FIELD(mosquitto_evt_reload, option_count)

SAME_SIZE(mosquitto_evt_acl_check)
SAME_FIELD(mosquitto_evt_acl_check, client)
SAME_FIELD(mosquitto_evt_acl_check, topic)
SAME_FIELD(mosquitto_evt_acl_check, payload)
SAME_FIELD(mosquitto_evt_acl_check, properties)
SAME_FIELD(mosquitto_evt_acl_check, access)
SAME_FIELD(mosquitto_evt_acl_check, payloadlen)
SAME_FIELD(mosquitto_evt_acl_check, qos)
SAME_FIELD(mosquitto_evt_acl_check, retain)

SAME_SIZE(mosquitto_evt_basic_auth)
SAME_FIELD(mosquitto_evt_basic_auth, client)
SAME_FIELD(mosquitto_evt_basic_auth, username)
SAME_FIELD(mosquitto_evt_basic_auth, password)

SAME_SIZE(mosquitto_evt_psk_key)
SAME_FIELD(mosquitto_evt_psk_key, client)
SAME_FIELD(mosquitto_evt_psk_key, hint)
SAME_FIELD(mosquitto_evt_psk_key, identity)
SAME_FIELD(mosquitto_evt_psk_key, key)
SAME_FIELD(mosquitto_evt_psk_key, max_key_len)

SAME_SIZE(mosquitto_evt_extended_auth)
SAME_FIELD(mosquitto_evt_extended_auth, client)
SAME_FIELD(mosquitto_evt_extended_auth, data_in)
SAME_FIELD(mosquitto_evt_extended_auth, data_out)
SAME_FIELD(mosquitto_evt_extended_auth, data_in_len)
SAME_FIELD(mosquitto_evt_extended_auth, data_out_len)
SAME_FIELD(mosquitto_evt_extended_auth, auth_method)

SAME_SIZE(mosquitto_evt_control)
SAME_FIELD(mosquitto_evt_control, client)
SAME_FIELD(mosquitto_evt_control, topic)
SAME_FIELD(mosquitto_evt_control, payload)
SAME_FIELD(mosquitto_evt_control, properties)
SAME_FIELD(mosquitto_evt_control, reason_string)
SAME_FIELD(mosquitto_evt_control, payloadlen)
SAME_FIELD(mosquitto_evt_control, qos)
SAME_FIELD(mosquitto_evt_control, reason_code)
SAME_FIELD(mosquitto_evt_control, retain)

SAME_SIZE(mosquitto_evt_tick)
SAME_FIELD(mosquitto_evt_tick, now_ns)
#ifdef BROKER_2_1
SAME_FIELD(mosquitto_evt_tick, next_ms)
#else
SAME_FIELD_AS(mosquitto_evt_tick, next_ns, next_ms)
#endif

SAME_SIZE(mosquitto_evt_disconnect)
SAME_FIELD(mosquitto_evt_disconnect, client)
SAME_FIELD(mosquitto_evt_disconnect, reason)

#ifdef BROKER_2_1
SAME_SIZE(mosquitto_evt_connect)
SAME_FIELD(mosquitto_evt_connect, client)

static_assert(sizeof(broker::mosquitto_evt_client_offline) == sizeof(ours::mosquitto_evt_disconnect),
		"size of mosquitto_evt_client_offline differs");
static_assert(offsetof(broker::mosquitto_evt_client_offline, client)
				== offsetof(ours::mosquitto_evt_disconnect, client),
		"offset of mosquitto_evt_client_offline.client differs");
#endif
