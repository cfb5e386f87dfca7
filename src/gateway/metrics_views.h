/*
 * metrics_views.h
 *	  The statement that makes lines for Prometheus of ddbstreams' views.
 */
#ifndef DDBSTREAMS_METRICS_VIEWS_H
#define DDBSTREAMS_METRICS_VIEWS_H

/* Returns one text, which is null if there is nothing to show. */
extern const char metrics_views_sql[];

#endif /* DDBSTREAMS_METRICS_VIEWS_H */
