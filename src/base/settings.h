/*
 * settings.h
 *	  The settings, ddbstreams.*.
 */
#ifndef DDBSTREAMS_SETTINGS_H
#define DDBSTREAMS_SETTINGS_H

#include "base/ddbstreams.h"

#define MAX_USER_IDENTITY 512 /* bytes */

extern char *setting_region;
extern char *setting_account_id;
extern int	 setting_default_shard_count;
extern int	 setting_iterator_lifetime; /* s */
extern int	 setting_max_readers_per_shard;
extern bool	 setting_dynamodb_numbers;
extern char *setting_user_identity;
extern int	 setting_buffer_memory;		   /* kB */
extern int	 setting_rollover_interval;	   /* s */
extern int	 setting_split_above;		   /* records/s of a shard; 0: never */
extern int	 setting_clock_offset;		   /* s; for tests */
extern int	 setting_maintenance_interval; /* ms */
extern int	 setting_max_workers;
extern int	 setting_handler_timeout;		 /* ms */
extern int	 setting_failed_batch_retention; /* s; 0: for ever */

/* Defines the settings; called once, when the library is loaded. */
extern void settings_define(void);

#endif /* DDBSTREAMS_SETTINGS_H */
