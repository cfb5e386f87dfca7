/*
 * delivery_call.h
 *	  Calling a handler, and understanding its answer.
 */
#ifndef DDBSTREAMS_DELIVERY_CALL_H
#define DDBSTREAMS_DELIVERY_CALL_H

#include "base/ddbstreams.h"

#include "mapping/mapping_function.h"

extern void	  delivery_call_init(void);
extern Oid	  delivery_call_find(const char *name, MappingFunctionUse use);
extern Jsonb *delivery_call(Oid function, Jsonb *argument);
extern void	  delivery_call_end(void);
extern char	 *delivery_call_error_text(const ErrorData *error);

extern Jsonb *delivery_call_json(const char *text);

#endif /* DDBSTREAMS_DELIVERY_CALL_H */
