//! Behaviours of single parts of a session; what clients see is in the shard's tests.

mod reader;
