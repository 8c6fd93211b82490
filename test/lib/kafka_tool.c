/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_tool - what tests of the Kafka sink need and kcat cannot
 *
 * DESCRIPTION
 *	kafka_tool mock
 *		librdkafka's own cluster of one broker that makes errors to order.
 *		Writes its address, then answers `ok` to each line of standard input:
 *		errors API CODE...	the next answers to that kind of request
 *		topic-error TOPIC CODE	until it is 0 again
 *		rtt MS			answers take so long
 *		down, up
 *	kafka_tool create SERVER TOPIC PARTITIONS [NAME=VALUE...]
 *	kafka_tool fence SERVER TRANSACTIONAL-ID
 *		takes the id over, as a second copy of a sink would
 *
 * PROCESS
 *	Tests only.
 *
 * SHARED STATE
 *	None.
 */
#include "common/panic.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rd_kafka_t *
producer(const char *server, const char *transactional_id)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256];
	rd_kafka_t *rk;

	if (rd_kafka_conf_set(conf, "bootstrap.servers", server, why, sizeof why) != 0 ||
	    rd_kafka_conf_set(conf, "log_level", "2", why, sizeof why) != 0 ||
	    (transactional_id != NULL && rd_kafka_conf_set(conf, "transactional.id",
					     transactional_id, why, sizeof why) != 0))
		fatal("%s", why);
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
	if (rk == NULL)
		fatal("%s", why);
	return rk;
}

/*------------------------------------------------------------------- mock */

static void
push_errors(rd_kafka_mock_cluster_t *mock, char *words)
{
	rd_kafka_resp_err_t error[64];
	char *word = strtok(words, " ");
	int16_t api = (int16_t)strtol(word == NULL ? "0" : word, NULL, 10);
	size_t n = 0;

	while (n < 64 && (word = strtok(NULL, " ")) != NULL)
		error[n++] = (rd_kafka_resp_err_t)strtol(word, NULL, 10);
	rd_kafka_mock_push_request_errors_array(mock, api, n, error);
}

static void
obey(rd_kafka_mock_cluster_t *mock, char *line)
{
	char topic[128];
	int code;

	if (strncmp(line, "errors ", 7) == 0)
		push_errors(mock, line + 7);
	else if (sscanf(line, "topic-error %127s %d", topic, &code) == 2)
		rd_kafka_mock_topic_set_error(mock, topic, (rd_kafka_resp_err_t)code);
	else if (sscanf(line, "rtt %d", &code) == 1)
		(void)rd_kafka_mock_broker_set_rtt(mock, 1, code);
	else if (strcmp(line, "down") == 0)
		(void)rd_kafka_mock_broker_set_down(mock, 1);
	else if (strcmp(line, "up") == 0)
		(void)rd_kafka_mock_broker_set_up(mock, 1);
	else
		fatal("what is %s?", line);
}

static int
run_mock(void)
{
	rd_kafka_t *rk = producer("127.0.0.1:1", NULL);
	rd_kafka_mock_cluster_t *mock = rd_kafka_mock_cluster_new(rk, 1);
	char line[512];

	printf("%s\n", rd_kafka_mock_cluster_bootstraps(mock));
	fflush(stdout);
	while (fgets(line, sizeof line, stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		obey(mock, line);
		puts("ok");
		fflush(stdout);
	}
	rd_kafka_mock_cluster_destroy(mock);
	rd_kafka_destroy(rk);
	return 0;
}

/*------------------------------------------------------------------ broker */

static int
run_create(int argc, char **argv)
{
	rd_kafka_t *rk = producer(argv[2], NULL);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	char why[256];
	rd_kafka_NewTopic_t *topic =
	    rd_kafka_NewTopic_new(argv[3], (int)strtol(argv[4], NULL, 10), 1, why, sizeof why);
	rd_kafka_event_t *ev;
	const rd_kafka_topic_result_t **result;
	size_t n;

	if (topic == NULL)
		fatal("%s", why);
	for (int i = 5; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (value == NULL)
			fatal("%s is not NAME=VALUE", argv[i]);
		*value++ = '\0';
		(void)rd_kafka_NewTopic_set_config(topic, argv[i], value);
	}
	rd_kafka_CreateTopics(rk, &topic, 1, NULL, queue);
	ev = rd_kafka_queue_poll(queue, 30000);
	if (ev == NULL || rd_kafka_event_error(ev) != 0)
		fatal("%s", ev == NULL ? "no answer" : rd_kafka_event_error_string(ev));
	result = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(ev), &n);
	if (n != 1 || rd_kafka_topic_result_error(result[0]) != 0)
		fatal("%s", rd_kafka_topic_result_error_string(result[0]));
	rd_kafka_event_destroy(ev);
	rd_kafka_NewTopic_destroy(topic);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
	return 0;
}

static int
run_fence(const char *server, const char *id)
{
	rd_kafka_t *rk = producer(server, id);
	rd_kafka_error_t *error = rd_kafka_init_transactions(rk, 30000);

	if (error != NULL)
		fatal("%s", rd_kafka_error_string(error));
	rd_kafka_destroy(rk);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "mock") == 0)
		return run_mock();
	if (argc >= 5 && strcmp(argv[1], "create") == 0)
		return run_create(argc, argv);
	if (argc == 4 && strcmp(argv[1], "fence") == 0)
		return run_fence(argv[2], argv[3]);
	fputs("usage: kafka_tool mock | create SERVER TOPIC PARTITIONS [NAME=VALUE...] | fence "
	      "SERVER ID\n",
	    stderr);
	return EXIT_USAGE;
}
