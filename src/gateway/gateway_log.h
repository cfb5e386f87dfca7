/*
 * gateway_log.h
 *	  One line on stderr for each event.
 */
#ifndef DDBSTREAMS_GATEWAY_LOG_H
#define DDBSTREAMS_GATEWAY_LOG_H

#define PROGRAM_NAME "ddbstreams-gateway"

/* Logs a line.  Control characters in it become question marks. */
extern void gateway_log(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#endif /* DDBSTREAMS_GATEWAY_LOG_H */
