/*
 * http_server.h
 *	  HTTP: connections, limits, and the way of requests to the queue and back.
 */
#ifndef DDBSTREAMS_HTTP_SERVER_H
#define DDBSTREAMS_HTTP_SERVER_H

#include <stdbool.h>

/* Reads certificate and key, and listens; false, and logs, if it cannot. */
extern bool http_server_start(void);

/* Closes connections that are slow; to be called every second. */
extern void http_server_tick(void);

/* Accepts no more connections, finishes requests, and ends. */
extern void http_server_stop(void);

#endif /* DDBSTREAMS_HTTP_SERVER_H */
