/*
 * route.h
 *	  What a request asks for, and the statement that answers it.
 */
#ifndef DDBSTREAMS_ROUTE_H
#define DDBSTREAMS_ROUTE_H

#include "gateway/http_request.h"

/* All operations, for metrics: a list that a null name ends */
extern const Operation route_operations[];

/*
 * Sets protocol, operation, statement and parameters of a request.  Returns
 * false if that is all: the request then has its answer.
 */
extern bool route_request(Request *request);

#endif /* DDBSTREAMS_ROUTE_H */
