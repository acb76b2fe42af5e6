{
  "targets": [
    {
      "target_name": "vkernel_native",
      "sources": [ "native/addon/addon.cc", "native/addon/digest.cc", "native/addon/host.cc", "native/addon/files.cc", "native/addon/disk.cc",
        "native/addon/fuse.cc" ],
      "include_dirs": [ "<!@(node -p \"require('node-addon-api').include\")" ],
      "cflags!": [ "-fno-exceptions" ],
      "cflags_cc!": [ "-fno-exceptions" ],
      "cflags_cc": [ "-std=c++17", "-Wall", "-Wextra", "-O2" ],
      "defines": [ "NAPI_VERSION=8" ]
    },
    {
      "target_name": "vkstub",
      "type": "executable",
      "sources": [ "native/stub/stub.c", "native/stub/entry.S" ],
      "cflags!": [ "-O3", "-pthread", "-fPIC", "-fno-omit-frame-pointer", "-g" ],
      "cflags": [
        "-O2", "-g0", "-ffreestanding", "-fPIE", "-fno-stack-protector", "-mgeneral-regs-only", "-fno-jump-tables",
        "-fno-asynchronous-unwind-tables", "-fcf-protection=none", "-mfsgsbase", "-fno-builtin", "-fvisibility=hidden",
        "-Wall", "-Wextra"
      ],
      "ldflags!": [ "-pthread", "-rdynamic" ],
      "ldflags": [
        "-nostdlib", "-static", "-no-pie", "-Wl,-T,<(module_root_dir)/native/stub/stub.ld", "-Wl,--build-id=none",
        "-Wl,-z,noexecstack"
      ],
      "libraries!": [ "-lnode" ]
    },
    {
      "target_name": "base",
      "type": "none",
      "actions": [
        {
          "action_name": "base_system",
          "inputs": [ "<!@(find native/base -type f -not -name '*.o' 2>/dev/null | sort)" ],
          "outputs": [ "<(PRODUCT_DIR)/base/base.tar" ],
          "action": [ "make", "-C", "<(module_root_dir)/native/base", "OUT=<(PRODUCT_DIR)/base" ],
          "message": "base system"
        }
      ]
    }
  ]
}
