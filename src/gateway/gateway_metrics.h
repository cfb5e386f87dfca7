/*
 * gateway_metrics.h
 *	  What GET /metrics shows, in the text format of Prometheus.
 */
#ifndef DDBSTREAMS_GATEWAY_METRICS_H
#define DDBSTREAMS_GATEWAY_METRICS_H

#include "gateway/route.h"

/* Counts an answered request. */
extern void metrics_count(const Operation *operation, const char *result,
						  double seconds);

/* HTTP connections: +1 or -1 */
extern void metrics_client(int change);

/*
 * Answers GET /metrics.  connection is that of the metrics role, or NULL: the
 * answer then has the gateway's own figures only.
 */
extern void metrics_answer(Request *request, DatabaseConnection *connection);

/*
 * Answers GET /metrics by a text that was begun after the request had come;
 * false if there is none.
 */
extern bool metrics_answer_again(Request *request);

/*
 * Has anybody been refused metrics, since this was asked last, because others
 * do not read theirs?
 */
extern bool metrics_were_refused(void);

#endif /* DDBSTREAMS_GATEWAY_METRICS_H */
