-- catalogue.sql: all that system catalogues say of the objects of ddbstreams, a
-- line for each row.  psql prints the same in two databases of a server if the
-- objects are the same, whatever they were made by: test/t/update.pl.
--
-- Numbers of shards are left out, so that two shards that are alike have one line.
-- So is what says when an object was made and not what it is: OIDs, files, statistics,
-- versions of columns, indcheckxmin, and the values that a row has of a column which
-- was added behind it.

\pset format unaligned
\pset tuples_only on
set search_path = pg_catalog;

create temp view member as
	select classid, objid from pg_depend
	where refclassid = 'pg_extension'::regclass and deptype = 'e'
		and refobjid = (select oid from pg_extension where extname = 'ddbstreams');

-- tables, views and the sequence; their indexes, TOAST tables and those' indexes
create temp view relation as
	with recursive r (oid) as (
		select objid from member where classid = 'pg_class'::regclass
		union
		select related.oid
		from r, lateral (
			select indexrelid as oid from pg_index where indrelid = r.oid
			union all select reltoastrelid from pg_class where oid = r.oid and reltoastrelid <> 0) as related)
	select oid from r;

create function pg_temp.plain(name text) returns text language sql as $$
	select regexp_replace(regexp_replace(name, '(shard|side)_[0-9]+', '\1_N', 'g'),
		'pg_toast_[0-9]+', 'pg_toast_N', 'g') $$;

create function pg_temp.privileges(acl aclitem[]) returns text language sql as $$
	select string_agg(item::text, ' ' order by item::text) from unnest(acl) as item $$;

create temp table line (text text);

insert into line
	select 'relation ' || c.oid::regclass || ' ' || (to_jsonb(c)
		- '{oid,relname,relnamespace,reltype,relowner,relfilenode,relpages,reltuples,relallvisible,relallfrozen,reltoastrelid,relrewrite,relfrozenxid,relminmxid,relacl}'::text[]
		|| jsonb_build_object('owner', relowner::regrole, 'acl', pg_temp.privileges(relacl),
			'has toast', reltoastrelid <> 0, 'is hidden', relrewrite = c.oid))
	from relation join pg_class as c using (oid)
union all
	select 'column ' || attrelid::regclass || ' ' || attnum || ' ' || (to_jsonb(a)
		- '{attrelid,atttypid,attcacheoff,atthasmissing,attmissingval,attacl,attoptions}'::text[]
		|| jsonb_build_object('type', format_type(atttypid, atttypmod),
			'options', array(select o from unnest(attoptions) as o where o !~ '^pg_attver=' order by o), 'acl', pg_temp.privileges(attacl)))
	from relation join pg_attribute as a on attrelid = relation.oid
	where attnum > 0
union all
	select 'default ' || adrelid::regclass || ' ' || adnum || ' ' || pg_get_expr(adbin, adrelid)
	from relation join pg_attrdef on adrelid = relation.oid
union all
	select 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(c.oid)
		|| case when convalidated then '' else ' not valid' end
	from relation join pg_constraint as c on conrelid = relation.oid
union all
	select 'index ' || indexrelid::regclass || ' ' || pg_get_indexdef(indexrelid) || ' '
		|| (to_jsonb(i) - '{indexrelid,indrelid,indexprs,indpred,indcheckxmin}'::text[])
	from relation join pg_index as i on indrelid = relation.oid
union all
	select 'trigger ' || tgname || ' ' || tgenabled::text || ' ' || pg_get_triggerdef(t.oid)
	from relation join pg_trigger as t on tgrelid = relation.oid
union all
	select 'policy ' || polrelid::regclass || ' ' || polname
	from relation join pg_policy on polrelid = relation.oid
union all
	select 'rule ' || ev_class::regclass || ' ' || pg_get_ruledef(w.oid)
	from relation join pg_rewrite as w on ev_class = relation.oid
union all
	select 'sequence ' || seqrelid::regclass || ' ' || (to_jsonb(s) - 'seqrelid')
	from relation join pg_sequence as s on seqrelid = relation.oid
union all
	select 'function ' || p.oid::regprocedure || ' ' || (to_jsonb(p)
		- '{oid,proname,pronamespace,proowner,proargtypes,proallargtypes,proargdefaults,proacl}'::text[]
		|| jsonb_build_object('arguments', pg_get_function_arguments(p.oid),
			'result', pg_get_function_result(p.oid), 'owner', proowner::regrole,
			'acl', pg_temp.privileges(proacl)))
	from member join pg_proc as p on p.oid = objid and classid = 'pg_proc'::regclass
union all
	select 'schema ' || nspname || ' ' || coalesce(pg_temp.privileges(nspacl), '')
	from member join pg_namespace as n on n.oid = objid and classid = 'pg_namespace'::regclass
union all
	select 'member ' || pg_describe_object(classid, objid, 0) from member
union all
	select 'dependency ' || pg_describe_object(d.classid, d.objid, d.objsubid) || ' ' || deptype::text || ' '
		|| pg_describe_object(refclassid, refobjid, refobjsubid)
	from pg_depend as d
	where (d.classid, d.objid) in (select classid, objid from member
		union all select 'pg_class'::regclass, oid from relation)
union all
	select 'comment ' || pg_describe_object(classoid, objoid, objsubid) || ': ' || description
	from pg_description
	where (classoid, objoid) in (select classid, objid from member
		union all select 'pg_class'::regclass, oid from relation)
union all
	select 'initial privileges ' || pg_describe_object(classoid, objoid, objsubid) || ' '
		|| pg_temp.privileges(initprivs)
	from pg_init_privs
	where (classoid, objoid) in (select classid, objid from member);

select distinct pg_temp.plain(text) collate "C" from line order by 1;
