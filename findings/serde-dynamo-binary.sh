#!/bin/bash
#
# serde_dynamo cannot turn an item with binary data into a serde_json::Value.
#
# One would guess base64 text, which is what typed JSON itself holds and what
# the crate writes when it serializes such an item.
#
# The conversion of the whole item fails, with a message that names neither the
# member nor the type B. Into Vec<u8> it fails too; only types that ask for
# bytes, such as those of the crate serde_bytes, take it. A number cannot be
# read as a String either, so that one of more digits than f64 has is not to be
# had exactly but from the item itself.
#
# One bytea column in a table makes each image of a change stream unreadable for
# a generic consumer in Rust. It has to take the items apart by itself.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
rust_packages 'serde_dynamo = "=4.3.0"' 'serde_json = "1"'
cat >"$rust_project/src/main.rs" <<'END'
use serde_dynamo::{from_attribute_value, from_item, AttributeValue, Item};
use serde_json::Value;

fn show<T: std::fmt::Debug>(what: &str, seen: Result<T, serde_dynamo::Error>) {
    match seen {
        Ok(value) => println!("{what}\t{value:?}"),
        Err(_) => println!("{what}\trefused"),
    }
}

fn main() {
    let item = |text| serde_json::from_str::<Item>(text).unwrap();
    let binary = r#"{"id":{"N":"1"},"b":{"B":"AAE="}}"#;
    println!("typed JSON\t{}", serde_json::to_value(item(binary)).unwrap()["b"]);
    show("with B, to Value", from_item::<_, Value>(item(binary)).map(|v| v.to_string()));
    show("without B, to Value", from_item::<_, Value>(item(r#"{"id":{"N":"1"}}"#)).map(|v| v.to_string()));
    show("B to Vec<u8>", from_attribute_value::<_, Vec<u8>>(AttributeValue::B(vec![0, 1])));
    show("N to String", from_attribute_value::<_, String>(AttributeValue::N("1.50".into())));
}
END
seen=$(run_rust)
expect_lines "$seen" <<'END'
typed JSON	{"B":"AAE="}
with B, to Value	refused
without B, to Value	"{\"id\":1}"
B to Vec<u8>	refused
N to String	refused
END
finish
