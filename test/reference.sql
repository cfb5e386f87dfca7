-- reference.sql: print docs/reference.md.
--
-- psql runs this in a database that has the extension, as a superuser; see
-- test/make-reference. Everything but the headings and the table of SQLSTATEs
-- comes from the database: names, types and defaults from the catalogues, the
-- rest from COMMENTs, which the install script writes as follows.
--
--   Some paragraphs.
--
--   Arguments:                 of a function; also Columns: and Errors:
--   name: what it means, on as many lines as it needs, of which all but the
--     first are indented
--
--   Some more paragraphs, for example from where in AWS the function comes.
--
-- Two spaces in front of the lines of a paragraph make it an example, of SQL on a
-- table orders.

\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
set search_path = pg_catalog;
set client_min_messages = warning;
set client_encoding = 'UTF8';
set intervalstyle = 'postgres';

-- The chapters of the functions. One that is missing here comes last.
create temp table chapter (place int, title text, functions text[]);
insert into chapter values
	(1, 'Streams on tables', '{enable_stream, disable_stream, alter_stream, latest_stream_arn, list_streams, describe_stream}'),
	(2, 'Reading', '{get_shard_iterator, get_records, next_shard_iterator, wait_for_records, newest_records, changes, unmarshal}'),
	(3, 'Shards', '{split_shard, roll_over, shard_tree, shard_graph}'),
	(4, 'Event source mappings', '{create_event_source_mapping, update_event_source_mapping, delete_event_source_mapping, list_event_source_mappings, filter_matches, redrive}'),
	(5, 'Consumer groups', '{create_consumer, drop_consumer, poll, checkpoint, leases}'),
	(6, 'AWS''s operations', '{aws}'),
	(7, 'Behind the views and triggers', '{}');

-- What can be raised. AWS's name is null where AWS has nothing like it.
create temp table sqlstate (place int generated always as identity, code text, condition text, aws_name text, meaning text);
insert into sqlstate (code, condition, aws_name, meaning) values
	('22023', 'invalid_parameter_value', 'ValidationException; InvalidParameterValueException in the operations on event source mappings',
	 'An argument has a bad value, or is null where null means nothing. Also: a stream is to be enabled twice, or disabled without being enabled.'),
	('42809', 'wrong_object_type', 'ValidationException', 'The table or the function is of a kind that cannot be used here.'),
	('42704', 'undefined_object', 'ResourceNotFoundException', 'The table, stream, shard, mapping or consumer does not exist, or has expired.'),
	('55006', 'object_in_use', 'ResourceInUseException', 'Somebody, or this transaction itself, is using what is to be changed.'),
	('42710', 'duplicate_object', 'ResourceConflictException', 'There is one of that name already.'),
	('42501', 'insufficient_privilege', 'AccessDeniedException', 'A right is missing.'),
	('ZS001', 'none', 'ExpiredIteratorException', 'The shard iterator is older than ddbstreams.iterator_lifetime.'),
	('ZS002', 'none', 'TrimmedDataAccessException', 'The record is older than the stream''s retention.'),
	('ZS003', 'none', 'LimitExceededException', 'Too many readers read the shard, or the stream has too many open shards, event source mappings or consumers.'),
	('25001', 'active_sql_transaction', null, 'The function needs READ COMMITTED.'),
	('25006', 'read_only_sql_transaction', null, 'The transaction is read-only, or the server is a standby.'),
	('55000', 'object_not_in_prerequisite_state', null, 'The library is not preloaded, or something that is needed is missing.'),
	('40001', 'serialization_failure', null, 'Another session has changed the same event source mappings: try the transaction again.'),
	('2BP01', 'dependent_objects_still_exist', null, 'Something else depends on the extension that is to be dropped.'),
	('42P01', 'undefined_table', null, 'No table has the name that is given for a regclass. It is PostgreSQL that looks the name up, before the function is called.'),
	('42883', 'undefined_function', null, 'The same of a function''s name for a regproc. Also, in mapping_stats and in the log: the function of an event source mapping does not exist.'),
	('39P01', 'trigger_protocol_violated', null, 'A trigger function was not called by the trigger that enable_stream makes.'),
	('0A000', 'feature_not_supported', null, 'A library changes a table in a subtransaction while the transaction commits.'),
	('54000', 'program_limit_exceeded', null, 'One transaction has changed more than four billion large values.'),
	('XX001', 'data_corrupted', null, 'Something is missing in ddbstreams'' own tables.');

-- Text for a cell of a table, and for a paragraph
create function pg_temp.cell(text) returns text immutable language sql as $$
	select replace(replace(replace($1, '&', '&amp;'), '<', '&lt;'), '|', '\|') $$;
create function pg_temp.code(text) returns text immutable language sql as $$
	select '`' || replace($1, '|', '\|') || '`' $$;

-- The lines of a comment with the section that they are in, and the lines of one
-- entry joined
create function pg_temp.parse(comment text, out place int, out section text, out name text, out body text)
	returns setof record stable language plpgsql as $$
declare
	line text;
	part text := 'text';
	entry text := null;
begin
	place := 0;
	section := 'text';
	foreach line in array pg_catalog.string_to_array(comment || E'\n', E'\n') loop
		if line in ('Arguments:', 'Columns:', 'Errors:') then
			part := pg_catalog.lower(pg_catalog.rtrim(line, ':'));
		elsif line = '' then
			if entry is not null then
				body := entry;
				return next;
				place := place + 1;
			end if;
			entry := null;
			part := 'text';
		elsif part <> 'text' and line !~ '^ ' then
			if entry is not null then
				body := entry;
				return next;
				place := place + 1;
			end if;
			section := part;
			name := pg_catalog.split_part(line, ': ', 1);
			entry := pg_catalog.substr(line, pg_catalog.length(name) + 3);
			if entry = '' then
				raise exception 'comment has no "name: text" in "%"', line;
			end if;
		elsif entry is not null then
			entry := entry || case when line ~ '^ ' and part = 'text' then E'\n' || line
							  else ' ' || pg_catalog.ltrim(line) end;
		else
			section := 'text';
			name := null;
			entry := line;
		end if;
	end loop;
end $$;

-- Paragraphs, an example being a block of code that test/docs can run
create function pg_temp.paragraphs(comment text) returns text stable language sql as $$
	select string_agg(case when body ~ '^ ' then E'```sql\n' || regexp_replace(body, '^  ', '', 'gm') || E'\n```'
					  else pg_temp.cell(body) end, E'\n\n' order by place)
	from pg_temp.parse(comment) where section = 'text' $$;

create function pg_temp.entry(comment text, section text, name text) returns text stable language plpgsql as $$
declare
	found_body text;
begin
	select p.body into found_body from pg_temp.parse(comment) as p
	where p.section = entry.section and p.name = entry.name;
	if found_body is null then
		raise exception 'comment says nothing of "%" in its %: %', name, section, pg_catalog.left(comment, 60);
	end if;
	return pg_temp.cell(found_body);
end $$;

-- Each argument and result column of a function: the order is that of the call
create function pg_temp.parameters(function oid, out place int, out is_result bool, out name text,
								   out type text, out default_value text)
	returns setof record stable language sql as $$
	select i::int, coalesce(p.proargmodes[i], 'i') in ('o', 't'), p.proargnames[i],
		format_type(coalesce(p.proallargtypes[i], p.proargtypes[i - 1]), null),
		case when coalesce(p.proargmodes[i], 'i') in ('o', 't') then null
			 else pg_get_function_arg_default(p.oid, i::int) end
	from pg_proc as p, generate_series(1, cardinality(coalesce(p.proallargtypes, p.proargtypes::oid[]))) as i
	where p.oid = function $$;

create function pg_temp.defaults(text) returns text immutable language sql as $$
	select case when $1 is null then '' else pg_temp.code(regexp_replace($1, '::[a-z ]+(\[\])?$', '')) end $$;

-- A function's part of the page
create function pg_temp.function_text(function oid) returns text stable language plpgsql as $$
declare
	comment constant text := pg_catalog.obj_description(function, 'pg_proc');
	proc pg_catalog.pg_proc;
	result text;
	extra text;
begin
	select * into proc from pg_catalog.pg_proc where oid = function;
	-- what the comment explains must be there, too
	select string_agg(p.section || ' ' || p.name, ', ') into extra
	from pg_temp.parse(comment) as p
	where p.section in ('arguments', 'columns')
	  and not exists (select from pg_temp.parameters(function) as a
					  where a.name = p.name and a.is_result = (p.section = 'columns'));
	if extra is not null then
		raise exception 'comment on % explains what is not there: %', function::pg_catalog.regprocedure, extra;
	end if;
	select string_agg(p.name || '', ', ') into extra
	from pg_temp.parse(comment) as p, pg_catalog.regexp_split_to_table(p.name, ', ') as code
	where p.section = 'errors' and not exists (select from sqlstate as s where s.code = code.code);
	if extra is not null then
		raise exception 'comment on % names an unknown SQLSTATE: %', function::pg_catalog.regprocedure, extra;
	end if;

	result := '### ' || proc.proname || E'\n\n' || pg_catalog.format('%s, %s.',
		case when proc.proretset then 'Returns rows'
			 else 'Returns ' || pg_temp.code(pg_catalog.format_type(proc.prorettype, null)) end
		|| case when proc.proretset and proc.prorettype <> 'pg_catalog.record'::pg_catalog.regtype
				then ' of ' || pg_temp.code(pg_catalog.format_type(proc.prorettype, null)) else '' end,
		case proc.provolatile when 'v' then 'volatile' when 's' then 'stable' else 'immutable' end);
	result := result || E'\n\n' || pg_temp.paragraphs(comment);

	select result || E'\n\n| argument | type | default | |\n| --- | --- | --- | --- |\n'
		|| string_agg(pg_catalog.format('| %s | %s | %s | %s |', pg_temp.code(name), pg_temp.code(type),
										pg_temp.defaults(default_value), pg_temp.entry(comment, 'arguments', name)),
					  E'\n' order by place)
	into extra from pg_temp.parameters(function) where not is_result;
	result := coalesce(extra, result);
	-- a function behind a view leaves the columns to the view
	if comment !~ '^The rows of view' then
		select result || E'\n\n| column | type | |\n| --- | --- | --- |\n'
			|| string_agg(pg_catalog.format('| %s | %s | %s |', pg_temp.code(name), pg_temp.code(type),
											pg_temp.entry(comment, 'columns', name)),
						  E'\n' order by place)
		into extra from pg_temp.parameters(function) where is_result;
		result := coalesce(extra, result);
	end if;
	select result || E'\n\n| SQLSTATE | when |\n| --- | --- |\n'
		|| string_agg(pg_catalog.format('| %s | %s |', pg_temp.code(pg_catalog.replace(name, ', ', '`, `')), pg_temp.cell(body)),
					  E'\n' order by place)
	into extra from pg_temp.parse(comment) where section = 'errors';
	return coalesce(extra, result) || E'\n';
end $$;

create function pg_temp.view_text(view oid) returns text stable language plpgsql as $$
declare
	missing text;
	result text;
begin
	select string_agg(attname, ', ') into missing from pg_catalog.pg_attribute
	where attrelid = view and attnum > 0 and not attisdropped and pg_catalog.col_description(view, attnum) is null;
	if missing is not null then
		raise exception 'view % has columns without a comment: %', view::pg_catalog.regclass, missing;
	end if;
	select '### ' || relname || E'\n\n' || pg_temp.paragraphs(pg_catalog.obj_description(view, 'pg_class'))
	into result from pg_catalog.pg_class where oid = view;
	select result || E'\n\n| column | type | |\n| --- | --- | --- |\n'
		|| string_agg(pg_catalog.format('| %s | %s | %s |', pg_temp.code(attname), pg_temp.code(pg_catalog.format_type(atttypid, atttypmod)),
										pg_temp.cell(pg_catalog.col_description(view, attnum))),
					  E'\n' order by attnum) || E'\n'
	into result from pg_catalog.pg_attribute where attrelid = view and attnum > 0 and not attisdropped;
	return result;
end $$;

-- A value of a setting with the largest unit that it is a multiple of
create function pg_temp.amount(value text, unit text) returns text immutable language sql as $$
	select coalesce((select (value::int8 / factor) || larger
		from (values ('s', 'd', 86400), ('s', 'h', 3600), ('s', 'min', 60),
					 ('ms', 'd', 86400000), ('ms', 'h', 3600000), ('ms', 'min', 60000), ('ms', 's', 1000),
					 ('kB', 'GB', 1048576), ('kB', 'MB', 1024)) as u (smaller, larger, factor)
		where u.smaller = unit and value::int8 <> 0 and value::int8 % factor = 0
		order by factor desc limit 1),
		value || case when value = '0' then '' else coalesce(unit, '') end) $$;

create function pg_temp.anchor(title text) returns text immutable language sql as $$
	select '[' || title || '](#' || regexp_replace(replace(lower(title), ' ', '-'), '[^a-z0-9_-]', '', 'g') || ')' $$;

create temp view listed_function as
	select p.oid, p.proname, coalesce(c.place, 7) as chapter, array_position(c.functions, p.proname::text) as place
	from pg_proc as p left join chapter as c on p.proname::text = any (c.functions)
	where p.pronamespace = 'ddbstreams'::regnamespace;
create temp view listed_view as
	select c.oid, c.relname from pg_class as c
	where c.relnamespace = 'ddbstreams'::regnamespace and c.relkind in ('v', 'm', 'r');
create temp view listed_type as
	select t.oid, t.typname from pg_type as t left join pg_class as c on c.oid = t.typrelid
	where t.typnamespace = 'ddbstreams'::regnamespace and t.typcategory <> 'A'
	  and (c.oid is null or c.relkind = 'c');
-- ddbstreams.clock_offset is for tests
create temp view listed_setting as
	select * from pg_settings where name like 'ddbstreams.%' and name <> 'ddbstreams.clock_offset';

--
-- The page
--

\qecho '<!-- Made by test/make-reference from the COMMENTs in the install script: change them there. -->'
\qecho '<!-- setup'
\qecho 'create table orders (id int primary key, customer text, status text);'
\qecho 'select ddbstreams.enable_stream(''orders'');'
\qecho '-->'
\qecho ''
\qecho '# Reference'
\qecho ''
\qecho 'Every function, view, setting and SQLSTATE of ddbstreams. `\\df+ ddbstreams.*` shows the functions in a database.'
\qecho ''
\qecho 'All functions and views are in schema `ddbstreams`. Every role may call them; each function checks the rights of its caller by itself. Arguments can be written by their names: `retention => ''7 days''`. A null where null has no meaning is an error with SQLSTATE 22023, never a silent empty answer.'
\qecho ''
\qecho '* Functions'
select '  * ' || pg_temp.anchor(c.title) || ': ' || string_agg(pg_temp.anchor(f.proname), ', ' order by f.place, f.proname)
from chapter as c join (select distinct chapter, place, proname from listed_function) as f on f.chapter = c.place
group by c.place, c.title order by c.place;
select '* [Views](#views): ' || string_agg(pg_temp.anchor(relname), ', ' order by relname collate "C") from listed_view;
select '* [Types](#types)' where exists (select from listed_type);
\qecho '* [Settings](#settings)'
\qecho '* [SQLSTATEs](#sqlstates)'
\qecho ''

with text as (
	select c.place as chapter, 0 as rank, null::int as place, '' as name, '## ' || c.title || E'\n' as line
	from chapter as c where exists (select from listed_function as f where f.chapter = c.place)
	union all
	select f.chapter, 1, f.place, f.proname || ' ' || pg_get_function_identity_arguments(f.oid),
		pg_temp.function_text(f.oid) from listed_function as f)
select line from text order by chapter, rank, place, name collate "C";

\qecho '## Views'
\qecho ''
select pg_temp.view_text(oid) from listed_view order by relname collate "C";

select E'## Types\n\n| type | |\n| --- | --- |\n'
	|| string_agg(format('| %s | %s |', pg_temp.code(typname), pg_temp.cell(coalesce(obj_description(oid, 'pg_type'), ''))),
				  E'\n' order by typname collate "C") || E'\n'
from listed_type having count(*) > 0;

\qecho '## Settings'
\qecho ''
\qecho 'A setting that needs `postgresql.conf` takes effect when the server reads its configuration again (`select pg_reload_conf()`). One that superusers set can also be set by a role that was granted SET on it. A number without a unit counts in the unit of the range.'
\qecho ''
select E'| setting | default | range | who sets it | |\n| --- | --- | --- | --- | --- |\n'
	|| string_agg(format('| %s | %s | %s | %s | %s |', pg_temp.code(name),
		pg_temp.code(case vartype when 'integer' then pg_temp.amount(boot_val, unit) else boot_val end),
		case when vartype = 'integer'
			 then format('%s to %s', pg_temp.amount(min_val, unit), pg_temp.amount(max_val, unit))
				|| case when unit is null then '' else ', in ' || unit end
			 when vartype = 'enum' then array_to_string(enumvals, ', ')
			 when vartype = 'bool' then 'on, off'
			 else '' end,
		case context when 'user' then 'every role' when 'superuser' then 'superusers'
			 when 'sighup' then pg_temp.code('postgresql.conf')
			 when 'postmaster' then pg_temp.code('postgresql.conf') || ', and a restart'
			 else context end,
		pg_temp.cell(concat_ws(' ', short_desc, extra_desc))), E'\n' order by name collate "C") || E'\n'
from listed_setting;

\qecho '## SQLSTATEs'
\qecho ''
\qecho 'The [FAQ](faq.md) lists the messages and says what to do.'
\qecho ''
select E'| SQLSTATE | condition of PostgreSQL | exception of AWS | |\n| --- | --- | --- | --- |\n'
	|| string_agg(format('| %s | %s | %s | %s |', pg_temp.code(code),
						 case condition when 'none' then '' else pg_temp.code(condition) end,
						 coalesce(aws_name, ''), pg_temp.cell(meaning)), E'\n' order by place)
from sqlstate;
