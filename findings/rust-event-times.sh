#!/bin/bash
#
# The Lambda event types for Rust take the fraction of a record's second for a
# thousandth of what it is, and give a record back with images that it never had.
#
# One would guess that ApproximateCreationDateTime, a number of seconds that may
# have a fraction, becomes this time, as in the event types for Go and Java; and
# that an event which is read and written again, to be passed on or kept for
# later, says what it said.
#
# 1479499740.75 is read as three quarters of a millisecond after the second, and
# written back without a fraction. An image that is not in the record is written
# back as an empty one: after that a KEYS_ONLY record has both images, and an
# INSERT has an old one.
#
# AWS sends whole seconds, so the first is seen only with a change stream that
# has finer times: ages of records and windows are then wrong by up to a second.
# Such a stream had better send whole seconds, too. A consumer that keeps events
# keeps the text that came.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
rust_packages 'aws_lambda_events = { version = "=1.2.1", default-features = false, features = ["dynamodb"] }' \
	'serde_json = "1"'
cat >"$rust_project/src/main.rs" <<'END'
use aws_lambda_events::event::dynamodb::Event;
use serde_json::{json, to_value, Value};

fn event(time: Value) -> Event {
    serde_json::from_value(json!({"Records": [{
        "eventID": "1", "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "eu-west-1",
        "eventSourceARN": "arn:aws:dynamodb:eu-west-1:111122223333:table/t/stream/2026-01-01T00:00:00.000",
        "dynamodb": {"ApproximateCreationDateTime": time, "Keys": {"id": {"N": "1"}},
            "SequenceNumber": "111", "SizeBytes": 3, "StreamViewType": "KEYS_ONLY"}}]}))
    .unwrap()
}

fn main() {
    for time in [json!(1479499740), json!(1479499740.75), json!(1479499740.5)] {
        let event = event(time.clone());
        let read = event.records[0].change.approximate_creation_date_time;
        let written = &to_value(&event).unwrap()["Records"][0]["dynamodb"];
        println!("{time} is read with nanoseconds\t{}", read.timestamp_subsec_nanos());
        println!("{time} is written as\t{}", written["ApproximateCreationDateTime"]);
        println!("old image\t{}", written["OldImage"]);
        println!("new image\t{}", written["NewImage"]);
    }
}
END
seen=$(run_rust | sort -u)
expect_lines "$seen" <<'END'
1479499740 is read with nanoseconds	0
1479499740 is written as	1479499740
1479499740.75 is read with nanoseconds	750000
1479499740.75 is written as	1479499740
1479499740.5 is read with nanoseconds	500000
1479499740.5 is written as	1479499740
old image	{}
new image	{}
END
finish
