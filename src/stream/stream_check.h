/*
 * stream_check.h
 *	  Is everything still there that capture needs?  Tasks of maintenance.
 */
#ifndef DDBSTREAMS_STREAM_CHECK_H
#define DDBSTREAMS_STREAM_CHECK_H

#include "base/ddbstreams.h"

extern void stream_check_triggers(void);
extern void stream_check_decoding(void);

#endif /* DDBSTREAMS_STREAM_CHECK_H */
