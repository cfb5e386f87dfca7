/*
 * errors.h
 *	  The errors of AWS's request validation.
 */
#ifndef DDBSTREAMS_ERRORS_H
#define DDBSTREAMS_ERRORS_H

#include "base/ddbstreams.h"

/* Null arguments are errors, with AWS's text. */
extern void error_null_argument(const char *member) pg_attribute_noreturn();
extern void error_constraint(const char *value, const char *member,
							 const char *rule) pg_attribute_noreturn();

#endif /* DDBSTREAMS_ERRORS_H */
