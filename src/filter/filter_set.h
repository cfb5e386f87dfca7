/*
 * filter_set.h
 *	  Filters of event source mappings: which records a handler wants.
 */
#ifndef DDBSTREAMS_FILTER_SET_H
#define DDBSTREAMS_FILTER_SET_H

#include "base/ddbstreams.h"

#include "utils/jsonb.h"

#include "filter/filter_pattern.h"

#define FILTER_MAX_FILTERS		  5	   /* of one mapping */
#define FILTER_MAX_PATTERN_LENGTH 4096 /* characters */

typedef struct FilterSet FilterSet;

/* What a part of a record tells about all of it */
typedef enum FilterVerdict
{
	FILTER_NO,	  /* no filter can match */
	FILTER_MAYBE, /* the rest of the record decides */
	FILTER_YES	  /* a filter matches, whatever the rest is */
} FilterVerdict;

/*
 * Compiles FilterCriteria: at most FILTER_MAX_FILTERS filters, each of at most
 * FILTER_MAX_PATTERN_LENGTH characters.  What is wrong with them is an error
 * with AWS's text, so this is also how criteria are checked.  Returns NULL if
 * there are no filters; then all records match.  The set has a memory context
 * of its own below the current one.
 *
 * The other functions take NULL for a set.
 */
extern FilterSet *filter_set_compile(Jsonb *filter_criteria);
extern void		  filter_set_free(FilterSet *set);

/* Judges a record by its event's name alone: INSERT, MODIFY or REMOVE. */
extern FilterVerdict filter_set_pretest(const FilterSet *set,
										const char		*event_name);

/*
 * Judges a record by its event's name and by its key, which is what the record
 * has as dynamodb.Keys.  Worth while after filter_set_pretest's FILTER_MAYBE.
 */
extern FilterVerdict filter_set_pretest_keys(const FilterSet *set,
											 const char		 *event_name,
											 Jsonb			 *keys);

/* Does a record, as Lambda's handlers get it, match one of the filters? */
extern bool filter_set_matches(const FilterSet *set, Jsonb *record);

/* Returns what keeps a field from being in any record, or NULL. */
typedef const char *(*FilterFieldJudge)(const FilterField *field, void *argument);

extern int filter_set_count(const FilterSet *set);

/*
 * Returns what keeps a filter, counted from 0, from matching any record: what
 * judge says of a field without which the first alternative cannot match, if
 * all of them have one.  NULL if nothing does.
 */
extern const char *filter_set_problem(const FilterSet *set, int filter,
									  FilterFieldJudge judge, void *argument);

#endif /* DDBSTREAMS_FILTER_SET_H */
