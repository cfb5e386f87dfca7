# Client: AWS SDK for Rust, dynamodbstreams 1.122.0
# Packages:
# Reads: all

if [ "$1" = install ]; then
	mkdir -p reader/src
	cp "$HERE/read_rust.rs" reader/src/main.rs
	cat >reader/Cargo.toml <<-'CARGO'
	[package]
	name = "reader"
	version = "1.0.0"
	edition = "2021"

	[dependencies]
	aws-config = { version = "=1.13.0", default-features = false, features = ["rt-tokio"] }
	aws-sdk-dynamodbstreams = { version = "=1.122.0", default-features = false, features = ["rt-tokio"] }
	aws-smithy-http-client = { version = "=1.5.2", features = ["default-client", "rt-tokio"] }
	tokio = { version = "1", features = ["rt", "macros"] }
	CARGO
	cd reader
	cargo build --quiet
else
	exec reader/target/debug/reader
fi
