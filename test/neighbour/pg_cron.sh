# shellcheck shell=bash
#
# pg_cron runs statements in background workers.
#
# Package: postgresql-VERSION-cron
# Elsewhere: trixie
# Preload: pg_cron
# Setting: cron.use_background_workers = on
# Setting: cron.database_name = 'jobs'

new_database jobs
for try in {1..100}; do
	output=$(sql -c 'create extension pg_cron' 2>&1) && break
	sleep 0.2
done
say "version $(sql -c "select extversion from pg_extension where extname = 'pg_cron'")"
sql -c "create table t (id int primary key, v int); 
	select ddbstreams.enable_stream('t', shard_count => 2);
	insert into t values (1, 0)" >/dev/null
seconds=$(sql -c "select cron.schedule('5 seconds', 'select 1')" 2>/dev/null || true)
if [ -n "$seconds" ]; then
	sql -c "select cron.schedule('1 second', \$\$set local ddbstreams.user_identity = 'Service:cron'; update t set v = v + 1\$\$)" >/dev/null
else
	sql -c "select cron.schedule('* * * * *', \$\$set local ddbstreams.user_identity = 'Service:cron'; update t set v = v + 1\$\$)" >/dev/null
fi
# without seconds, a job runs at the next minute
becomes 'a job has changed a captured table' t 'select v > 0 from t'
sql -c 'select cron.unschedule(jobid) from cron.job' >/dev/null
becomes 'no job is running' 0 "select count(*) from cron.job_run_details where status in ('starting', 'running')"
agrees 'what a job changes is captured' t
is 'with its user_identity' t "select bool_and(user_identity->>'principalId' = 'cron')
	from ddbstreams.latest_stream_arn('t') as arn, ddbstreams.describe_stream(arn),
		ddbstreams.get_records(ddbstreams.get_shard_iterator(arn, shard_id, 'TRIM_HORIZON')) where event_name = 'MODIFY'"
