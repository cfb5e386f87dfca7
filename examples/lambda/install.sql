-- Has the Lambda function in handler.py called by PostgreSQL itself, in PL/Python:
--
--     psql -v file=/usr/local/lib/lambda/handler.py -v url=http://... -f install.sql
--
-- The file must be readable to the server's user. PL/Python is untrusted: only a
-- superuser can make such a function, and it may do what that user may. A worker
-- loads the file once; to deploy another one, let workers end
-- (pg_terminate_backend): they come back with the new file.

create extension if not exists plpython3u;

select format($function$
    create or replace function process_order_stream(event jsonb) returns jsonb
    language plpython3u as $python$
        import json
        if 'module' not in SD:
            import importlib.util
            import os
            os.environ['NOTIFY_URL'] = %2$L
            spec = importlib.util.spec_from_file_location('handler', %1$L)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            SD['module'] = module
        return json.dumps(SD['module'].lambda_handler(json.loads(event), None))
    $python$ $function$, :'file', :'url') \gexec

select ddbstreams.create_event_source_mapping(
    'process_order_stream', ddbstreams.latest_stream_arn('orders'), 'TRIM_HORIZON',
    function_response_types => '{ReportBatchItemFailures}');
