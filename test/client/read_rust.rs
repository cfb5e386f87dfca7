// Read every shard of $STREAM_ARN to its end with the SDK for Rust.

use std::env::var;
use std::error::Error;
use std::fs::OpenOptions;
use std::io::Write;

use aws_config::BehaviorVersion;
use aws_sdk_dynamodbstreams::types::ShardIteratorType;
use aws_sdk_dynamodbstreams::Client;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await;
    let client = Client::new(&config);
    let arn = var("STREAM_ARN")?;
    let mut out = OpenOptions::new().append(true).open(var("OUT")?)?;

    let listed = client.list_streams().table_name(var("TABLE")?).send().await?;
    if listed.streams().is_empty() {
        return Err("ListStreams lists nothing".into());
    }
    let mut shards = Vec::new();
    let mut start = None;
    loop {
        let page = client.describe_stream().stream_arn(&arn).limit(3)
            .set_exclusive_start_shard_id(start).send().await?;
        let stream = page.stream_description().ok_or("no description")?;
        shards.extend(stream.shards().iter().map(|shard| shard.shard_id().unwrap_or_default().to_string()));
        start = stream.last_evaluated_shard_id().map(str::to_string);
        if start.is_none() {
            break;
        }
    }
    // in the order of shard ids, parents come before their children
    for shard in &shards {
        let mut iterator = client.get_shard_iterator().stream_arn(&arn).shard_id(shard)
            .shard_iterator_type(ShardIteratorType::TrimHorizon).send().await?.shard_iterator;
        while let Some(here) = iterator {
            let page = client.get_records().shard_iterator(here).limit(100).send().await?;
            for record in page.records() {
                let change = record.dynamodb().ok_or("no change")?;
                let image = change.new_image().or(change.old_image()).ok_or("no image")?;
                let number = |name: &str| image[name].as_n().map(String::as_str).unwrap_or("not a number");
                writeln!(out, "{shard}\t{}\t{}\t{}\t{}\t{}\t{}",
                         change.sequence_number().unwrap_or_default(),
                         record.event_name().map(|name| name.as_str()).unwrap_or_default(),
                         number("id"), number("n"), number("price"),
                         image["note"].as_s().map(String::as_str).unwrap_or("not a string"))?;
            }
            iterator = page.next_shard_iterator;
        }
    }
    println!("{} shards", shards.len());
    Ok(())
}
