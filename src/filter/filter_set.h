/*
 * filter_set.h
 *	  Filters of event source mappings: which records a handler wants.
 */
#ifndef DDBSTREAMS_FILTER_SET_H
#define DDBSTREAMS_FILTER_SET_H

#include "base/ddbstreams.h"

#include "utils/jsonb.h"

#define FILTER_MAX_FILTERS		  5	   /* of one mapping */
#define FILTER_MAX_PATTERN_LENGTH 4096 /* characters */

typedef struct FilterSet FilterSet;

/* What a part of a record tells of the whole */
typedef enum FilterVerdict
{
	FILTER_NO,	  /* no filter can match */
	FILTER_MAYBE, /* the rest of the record decides */
	FILTER_YES	  /* a filter matches, whatever the rest is */
} FilterVerdict;

extern FilterSet	*filter_set_compile(Jsonb *filter_criteria);
extern void			 filter_set_free(FilterSet *set);
extern FilterVerdict filter_set_pretest(const FilterSet *set,
										const char		*event_name);
extern FilterVerdict filter_set_pretest_keys(const FilterSet *set,
											 const char		 *event_name,
											 Jsonb			 *keys);
extern bool			 filter_set_matches(const FilterSet *set, Jsonb *record);

#endif /* DDBSTREAMS_FILTER_SET_H */
