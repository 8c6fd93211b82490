/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_option - which options of librdkafka a sink's section may not set
 *
 * DESCRIPTION
 *	The check of the configuration and the sink itself ask here, so that the
 *	sink refuses nothing that `sluiced -n` has let pass.
 *
 * PROCESS
 *	Those that load a configuration; Kafka sinks.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_KAFKA_OPTION_H
#define COMMON_KAFKA_OPTION_H

#include <stddef.h>

/* NULL when the option may be set; else what to write instead, or why it may not. */
const char *kafka_option_refused(const char *name, size_t len);
/* The option that takes the text of the file that this one names, or NULL.  We read such
 * files ourselves: the stages' user need not be able to. */
const char *kafka_option_text_of(const char *name, size_t len);

#endif
