/*
 * errors.h
 *	  The errors of AWS's request validation.
 */
#ifndef DDBSTREAMS_ERRORS_H
#define DDBSTREAMS_ERRORS_H

#include "base/ddbstreams.h"

/*
 * Raises the error for a null where no default is null; member is AWS's name.
 */
extern void error_null_argument(const char *member) pg_attribute_noreturn();

/*
 * Raises the error for a value that breaks one of AWS's rules; rule follows
 * the word "must", as in "have length less than or equal to 40".
 */
extern void error_constraint(const char *value, const char *member,
							 const char *rule) pg_attribute_noreturn();

#endif /* DDBSTREAMS_ERRORS_H */
