/*
 * filter_case.h
 *	  Upper and lower case of characters, in any locale the same.
 */
#ifndef DDBSTREAMS_FILTER_CASE_H
#define DDBSTREAMS_FILTER_CASE_H

#include "base/ddbstreams.h"

#include "mb/pg_wchar.h"

/* Each returns the other form of a character, or the character itself. */
extern pg_wchar filter_case_lower(pg_wchar character);
extern pg_wchar filter_case_upper(pg_wchar character);

#endif /* DDBSTREAMS_FILTER_CASE_H */
