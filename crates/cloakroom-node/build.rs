//! Sets napi's linker options.

fn main() {
    napi_build::setup();
}
