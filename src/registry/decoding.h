/*
 * decoding.h
 *	  Keeping ddbstreams' own tables out of logical decoding.
 */
#ifndef DDBSTREAMS_DECODING_H
#define DDBSTREAMS_DECODING_H

#include "base/ddbstreams.h"

extern void decoding_hide(Oid relid);
extern bool decoding_is_hidden(Oid relid);
extern bool decoding_hide_all(void);

#endif /* DDBSTREAMS_DECODING_H */
