/*
 * filter_test.h
 *	  What a filter asks of a single value: a string, number, boolean or null.
 */
#ifndef DDBSTREAMS_FILTER_TEST_H
#define DDBSTREAMS_FILTER_TEST_H

#include "base/ddbstreams.h"

#include "filter/filter_pattern.h"

extern bool		   filter_test_any_passes(const FilterTest *tests, int count,
										  const JsonbValue *value);
extern bool		   filter_test_number_as_double(const char *number, double *result);
extern void		   filter_test_set_text(FilterTest *test, FilterTestKind kind,
										const char *text, int length);
extern const char *filter_test_set_wildcard(FilterTest *test, const char *text,
											int length);
extern const char *filter_test_set_cidr(FilterTest *test, const char *text,
										int length);

#endif /* DDBSTREAMS_FILTER_TEST_H */
