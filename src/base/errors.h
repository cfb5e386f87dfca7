/*
 * errors.h
 *	  The errors of AWS's request validation.
 */
#ifndef DDBSTREAMS_ERRORS_H
#define DDBSTREAMS_ERRORS_H

#include "base/ddbstreams.h"

/*
 * A member's error bears a hint at the argument of SQL that has another name,
 * unless this callback is in error_context_stack: the caller then has written
 * AWS's name.
 */
extern void (*error_members_callback)(void *arg);

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

/* The same with a hint of the caller's, or none for NULL */
extern void error_constraint_hint(const char *value, const char *member,
								  const char *rule, const char *hint) pg_attribute_noreturn();

/*
 * Raises the error for a value that is none of AWS's values, which are joined
 * by ", ".  If it is nearly one of them, a hint says so, with the name of the
 * argument in SQL.
 */
extern void error_enum(const char *value, const char *member,
					   const char *argument, const char *values) pg_attribute_noreturn();

/*
 * Returns that of the values, joined by ", ", which a text was probably meant
 * to be, palloc'd, or NULL.
 */
extern char *error_similar_value(const char *text, const char *values);

#endif /* DDBSTREAMS_ERRORS_H */
