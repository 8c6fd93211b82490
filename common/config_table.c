/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_table - config_keys.def as data
 *
 * PROCESS
 *	Those that load or print a configuration.
 *
 * SHARED STATE
 *	None.
 */
#include "common/config_table.h"

#include "common/panic.h"

#include <string.h>

/* Each row's field must be of the C type that its column says. */
#define C_INT       int
#define C_SIZE      uint64_t
#define C_POWER     uint64_t
#define C_TIME      int64_t
#define C_STRING    char[]
#define C_PATH      char[]
#define C_BIND      struct config_binds
#define C_MODE      mode_t
#define C_KIND      enum config_kind
#define C_ATTRS     enum config_attributes
#define C_ACK       enum config_ack
#define C_DEDUP_KEY enum config_dedup_key
#define C_LEVEL     enum log_level
#define C_COUNT     int64_t
#define C_YES_NO    int
#define C_SINK_KIND enum config_sink_kind
#define C_FROM      enum config_from
#define C_COMPRESSION enum config_compression
#define C_PARTITION enum config_partition
#define C_FORMAT    enum config_format
#define C_LIST      struct config_list
#define C_WORDS     struct config_list
#define C_VERBATIM struct config_list
#define KEY(section, key, type, field, min, max, default, reload, text)                            \
	_Static_assert(__builtin_types_compatible_p(                                               \
			   __typeof__(((struct config_##section *)0)->field), C_##type),           \
	    #section " " #key ": the field is not of the row's type");                             \
	_Static_assert((min) <= (max), #section " " #key ": no value is in range");
#include "common/config_keys.def"

const struct config_section_row config_table_sections[CONFIG_SECTIONS] = {
#define SECTION(section, named, text) {#section, named, text},
#include "common/config_keys.def"
};

#define UNTUPLE(...) __VA_ARGS__
#define ROW(kinds, section, key, type, field, min, max, default, reload, text)                     \
	{CONFIG_SECTION_##section, key, CONFIG_TYPE_##type,                                        \
	    offsetof(struct config_##section, field),                                              \
	    sizeof(((struct config_##section *)0)->field), min, max, kinds, {UNTUPLE default},     \
	    CONFIG_RELOAD_##reload, text},
const struct config_key config_table_keys[CONFIG_KEYS] = {
#define KEY(section, key, type, field, min, max, default, reload, text)                            \
	ROW(~0U, section, #key, type, field, min, max, (default), reload, text)
#define SINK_KEY(kinds, key, type, field, min, max, default, reload, text)                         \
	ROW(kinds, sink, #key, type, field, min, max, default, reload, text)
#include "common/config_keys.def"
};

static const struct config_word kinds[] = {{"http", CONFIG_KIND_HTTP}, {NULL, 0}};
static const struct config_word attributes[] = {{"none", CONFIG_ATTRIBUTES_NONE},
    {"request", CONFIG_ATTRIBUTES_REQUEST}, {"all", CONFIG_ATTRIBUTES_ALL}, {NULL, 0}};
static const struct config_word acks[] = {
    {"memory", CONFIG_ACK_MEMORY}, {"durable", CONFIG_ACK_DURABLE},
    {"delivered", CONFIG_ACK_DELIVERED}, {NULL, 0}};
static const struct config_word dedup_keys[] = {{"auto", CONFIG_DEDUP_KEY_AUTO},
    {"id", CONFIG_DEDUP_KEY_ID}, {"tuple", CONFIG_DEDUP_KEY_TUPLE}, {NULL, 0}};
static const struct config_word levels[] = {{"error", LOG_LEVEL_ERR}, {"warn", LOG_LEVEL_WARN},
    {"notice", LOG_LEVEL_NOTICE}, {"info", LOG_LEVEL_INFO}, {"debug", LOG_LEVEL_DEBUG}, {NULL, 0}};
static const struct config_word yes_no[] = {{"no", 0}, {"yes", 1}, {NULL, 0}};
static const struct config_word sink_kinds[] = {{"redis", CONFIG_SINK_REDIS},
    {"redis-stream", CONFIG_SINK_REDIS_STREAM}, {"clickhouse", CONFIG_SINK_CLICKHOUSE},
    {"kafka", CONFIG_SINK_KAFKA}, {"route", CONFIG_SINK_ROUTE}, {NULL, 0}};
static const struct config_word froms[] = {
    {"now", CONFIG_FROM_NOW}, {"oldest", CONFIG_FROM_OLDEST}, {NULL, 0}};
static const struct config_word compressions[] = {{"auto", CONFIG_COMPRESSION_AUTO},
    {"none", CONFIG_COMPRESSION_NONE}, {"gzip", CONFIG_COMPRESSION_GZIP},
    {"lz4", CONFIG_COMPRESSION_LZ4}, {"zstd", CONFIG_COMPRESSION_ZSTD}, {NULL, 0}};
static const struct config_word partitions[] = {{"none", CONFIG_PARTITION_NONE},
    {"hour", CONFIG_PARTITION_HOUR}, {"day", CONFIG_PARTITION_DAY},
    {"month", CONFIG_PARTITION_MONTH}, {NULL, 0}};
static const struct config_word formats[] = {{"event", CONFIG_FORMAT_EVENT},
    {"array", CONFIG_FORMAT_ARRAY}, {"ndjson", CONFIG_FORMAT_NDJSON}, {NULL, 0}};
_Static_assert(sizeof sink_kinds / sizeof sink_kinds[0] == CONFIG_SINK_KINDS + 1, "a kind lacks");

enum config_section
config_table_section(const char *name)
{
	int s;

	for (s = 0; s < CONFIG_SECTIONS; s++)
		if (strcmp(config_table_sections[s].name, name) == 0)
			break;
	return (enum config_section)s;
}

enum config_key_id
config_table_key(enum config_section section, const char *name)
{
	int k;

	for (k = 0; k < CONFIG_KEYS; k++)
		if (config_table_keys[k].section == section &&
		    strcmp(config_table_keys[k].name, name) == 0)
			break;
	return (enum config_key_id)k;
}

enum config_key_id
config_table_key_anywhere(const char *name)
{
	int k;

	for (k = 0; k < CONFIG_KEYS; k++)
		if (strcmp(config_table_keys[k].name, name) == 0)
			break;
	return (enum config_key_id)k;
}

const struct config_word *
config_table_words(enum config_type type)
{
	switch (type) {
	case CONFIG_TYPE_KIND:
		return kinds;
	case CONFIG_TYPE_ATTRS:
		return attributes;
	case CONFIG_TYPE_ACK:
		return acks;
	case CONFIG_TYPE_DEDUP_KEY:
		return dedup_keys;
	case CONFIG_TYPE_LEVEL:
		return levels;
	case CONFIG_TYPE_YES_NO:
		return yes_no;
	case CONFIG_TYPE_SINK_KIND:
		return sink_kinds;
	case CONFIG_TYPE_FROM:
		return froms;
	case CONFIG_TYPE_COMPRESSION:
		return compressions;
	case CONFIG_TYPE_PARTITION:
		return partitions;
	case CONFIG_TYPE_FORMAT:
		return formats;
	default:
		return NULL;
	}
}

bool
config_table_is_list(enum config_type type)
{
	return type == CONFIG_TYPE_LIST || type == CONFIG_TYPE_WORDS ||
	       type == CONFIG_TYPE_VERBATIM;
}

const char *
config_table_default(const struct config_key *key, enum config_sink_kind kind)
{
	if (key->section == CONFIG_SECTION_sink && key->default_of[kind] != NULL)
		return key->default_of[kind];
	return key->default_of[0];
}

void *
config_table_base(struct config *cfg, enum config_section section, int at)
{
	switch (section) {
	case CONFIG_SECTION_global:
		return &cfg->global;
	case CONFIG_SECTION_listen:
		assert_that(at >= 0 && at < CONFIG_LISTEN_MAX);
		return &cfg->listen[at];
	case CONFIG_SECTION_journal:
		return &cfg->journal;
	case CONFIG_SECTION_dedup:
		return &cfg->dedup;
	case CONFIG_SECTION_admin:
		return &cfg->admin;
	case CONFIG_SECTION_sink:
		assert_that(at >= 0 && at < CONFIG_SINK_MAX);
		return &cfg->sink[at];
	case CONFIG_SECTION_deadletter:
		return &cfg->deadletter;
	case CONFIG_SECTIONS:
		break;
	}
	PANIC("no such section: %d", (int)section);
}

static int
min3(int a, int b, int c)
{
	int min = a < b ? a : b;

	return min < c ? min : c;
}

int
config_table_distance(const char *written, const char *name)
{
	enum { LONGEST = 40, FAR = 99 };
	int row[3][LONGEST + 1];
	int a_len = (int)strnlen(written, LONGEST + 1), b_len = (int)strnlen(name, LONGEST + 1);
	int i, j, cost, *here, *up, *up2;

	if (a_len > LONGEST || b_len > LONGEST || a_len == 0)
		return FAR;
	/* `drain` for drain-time: nothing is misspelled, something is missing. */
	if (a_len >= 3 && a_len < b_len && strncmp(written, name, (size_t)a_len) == 0)
		return 2;
	for (j = 0; j <= b_len; j++)
		row[0][j] = j;
	for (i = 1; i <= a_len; i++) {
		here = row[i % 3];
		up = row[(i - 1) % 3];
		up2 = row[(i + 1) % 3];
		here[0] = i;
		for (j = 1; j <= b_len; j++) {
			cost = written[i - 1] != name[j - 1];
			here[j] = min3(up[j] + 1, here[j - 1] + 1, up[j - 1] + cost);
			if (i > 1 && j > 1 && written[i - 1] == name[j - 2] &&
			    written[i - 2] == name[j - 1] && up2[j - 2] + 1 < here[j])
				here[j] = up2[j - 2] + 1;
		}
	}
	cost = row[a_len % 3][b_len];
	return cost <= 2 && cost * 2 < b_len ? cost : FAR;
}
