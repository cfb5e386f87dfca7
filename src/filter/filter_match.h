/*
 * filter_match.h
 *	  Whether a record matches a pattern.
 */
#ifndef DDBSTREAMS_FILTER_MATCH_H
#define DDBSTREAMS_FILTER_MATCH_H

#include "base/ddbstreams.h"

#include "filter/filter_pattern.h"

/* Does a record, which is an object, match a pattern? */
extern bool filter_match_pattern(const FilterPattern *pattern, Jsonb *record);
/*
 * May a record match an alternative, as far as some parts of it tell?
 * *decided is set to whether no field of the alternative is about anything
 * else.
 */
extern bool filter_match_may_match(const FilterAlternative *alternative,
								   const FilterKnownPart   *parts,
								   int part_count, bool *decided);

#endif /* DDBSTREAMS_FILTER_MATCH_H */
