# SPDX-License-Identifier: Apache-2.0
# For programs that run on machines without our packages: third-party libraries are linked
# statically. glibc and libgcc_s are not. A static glibc cannot load the driver's libraries, and the
# static libgcc of a new compiler asks for a new glibc. Sections that nobody needs are left out for
# the same reason: parts of libstdc++ ask for one, too.
target_link_options(convscale_options INTERFACE
  -static-libstdc++ LINKER:--as-needed LINKER:--gc-sections)

# Debian has no static fmt. With its definitions in headers, nothing of the shared one is needed.
target_compile_definitions(convscale_options INTERFACE FMT_HEADER_ONLY=1)

# hwloc asks udev for a few attributes of disks, and Debian has no static udev: scripts/package.sh
# carries that library in a folder lib/ beside the programs' own.
find_library(CONVSCALE_HWLOC_ARCHIVE libhwloc.a HINTS ${hwloc_LIBRARY_DIRS} REQUIRED)
find_library(CONVSCALE_UDEV_LIBRARY NAMES udev libudev.so.1 REQUIRED)
set_property(TARGET PkgConfig::hwloc PROPERTY INTERFACE_LINK_LIBRARIES
  ${CONVSCALE_HWLOC_ARCHIVE} ${CONVSCALE_UDEV_LIBRARY} m ${CMAKE_DL_LIBS})
set(CMAKE_BUILD_RPATH "$ORIGIN/../lib")
