/*
 * filter_case.h
 *	  Upper and lower case of characters, whatever the locale.
 */
#ifndef DDBSTREAMS_FILTER_CASE_H
#define DDBSTREAMS_FILTER_CASE_H

#include "base/ddbstreams.h"

#include "mb/pg_wchar.h"

extern pg_wchar filter_case_lower(pg_wchar character);
extern pg_wchar filter_case_upper(pg_wchar character);

#endif /* DDBSTREAMS_FILTER_CASE_H */
