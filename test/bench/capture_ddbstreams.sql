-- ddbstreams: both images, four shards.
create extension ddbstreams;
select ddbstreams.enable_stream('items', 'NEW_AND_OLD_IMAGES', 4);
select ddbstreams.enable_stream('hot', 'NEW_AND_OLD_IMAGES', 4);
