/*
 * filter_parse.h
 *	  Compiling a filter pattern.
 */
#ifndef DDBSTREAMS_FILTER_PARSE_H
#define DDBSTREAMS_FILTER_PARSE_H

#include "base/ddbstreams.h"

#include "filter/filter_pattern.h"

/*
 * Compiles a pattern; it is an error, which says what is wrong, if it is none.
 * The result is palloc'd, and so is some garbage.
 */
extern FilterPattern *filter_parse_pattern(Jsonb *pattern);

/* Raises that error; the detail is a format. */
extern void filter_parse_invalid(const char *detail, ...)
	pg_attribute_printf(1, 2) pg_attribute_noreturn();

#endif /* DDBSTREAMS_FILTER_PARSE_H */
