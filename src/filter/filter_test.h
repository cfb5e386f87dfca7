/*
 * filter_test.h
 *	  What a filter asks of a single value: a string, number, boolean or null.
 */
#ifndef DDBSTREAMS_FILTER_TEST_H
#define DDBSTREAMS_FILTER_TEST_H

#include "base/ddbstreams.h"

#include "utils/numeric.h"

#include "filter/filter_pattern.h"

/*
 * Does a value pass one of the tests?  It is neither an array nor an object.
 */
extern bool filter_test_any_passes(const FilterTest *tests, int count,
								   const JsonbValue *value);

/*
 * Returns a number as text, palloc'd.  Numbers of the same value have the same
 * text: zeros at the end of a fraction are left out.
 */
extern char *filter_test_number_text(Numeric number);

/*
 * Can a double hold a number, which reads as numeric writes it?  Then *result
 * is that.  It can if it is finite and its shortest form is the number; other
 * numbers cannot be compared by numeric, as in event-ruler.
 */
extern bool filter_test_number_as_double(const char *number, double *result);

/* Makes a test of a kind that a text defines; the text is copied. */
extern void filter_test_set_text(FilterTest *test, FilterTestKind kind,
								 const char *text, int length);

/*
 * Makes a test for a text in which asterisks stand for any characters; behind
 * a backslash an asterisk or backslash stands for itself.  Returns what is
 * wrong with the text, or NULL.
 */
extern const char *filter_test_set_wildcard(FilterTest *test, const char *text,
											int length);

/*
 * Makes a test for the addresses of a network; returns what is wrong, or NULL.
 */
extern const char *filter_test_set_cidr(FilterTest *test, const char *text,
										int length);

#endif /* DDBSTREAMS_FILTER_TEST_H */
