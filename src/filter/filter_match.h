/*
 * filter_match.h
 *	  Whether a record matches a pattern.
 */
#ifndef DDBSTREAMS_FILTER_MATCH_H
#define DDBSTREAMS_FILTER_MATCH_H

#include "base/ddbstreams.h"

#include "filter/filter_pattern.h"

extern bool filter_match_pattern(const FilterPattern *pattern, Jsonb *record);
extern bool filter_match_may_match(const FilterAlternative *alternative,
								   const FilterKnownPart   *parts,
								   int part_count, bool *decided);

#endif /* DDBSTREAMS_FILTER_MATCH_H */
