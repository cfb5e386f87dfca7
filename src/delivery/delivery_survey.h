/*
 * delivery_survey.h
 *	  Which mappings are to be discovered, and when.
 */
#ifndef DDBSTREAMS_DELIVERY_SURVEY_H
#define DDBSTREAMS_DELIVERY_SURVEY_H

#include "base/ddbstreams.h"

#include "delivery/delivery_queue.h"

/*
 * The list of mappings is to be read, from its beginning: those that are new,
 * or have changed, are discovered.  If the survey is thorough, so are all
 * others, for what changes unseen.
 */
extern void delivery_survey_want(bool thorough);

/* A known mapping is to be discovered. */
extern void delivery_survey_want_mapping(QueuedMapping *mapping);

/* Is a survey or a discovery wanted, or under way? */
extern bool delivery_survey_has_work(void);

/*
 * Takes one step of what is wanted, which is small whatever there is in the
 * tables.  Called outside of a transaction.  Never waits for a lock that a
 * user may hold.
 */
extern void delivery_survey_step(void);

#endif /* DDBSTREAMS_DELIVERY_SURVEY_H */
