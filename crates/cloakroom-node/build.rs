//! Lets napi say how the library is linked.

fn main() {
    napi_build::setup();
}
