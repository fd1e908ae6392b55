// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/bound.hpp"
#include "common/config.hpp"
#include "common/digest.hpp"
#include "common/range.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace convscale {

/// Host memory of one workload, contiguous and row-major, elements of the configuration's dtype.
/// Owned by the caller.
struct HostBuffers {
  std::byte* images = nullptr;   ///< (images, height, width); see BackendNeeds::reads_inputs
  std::byte* filters = nullptr;  ///< (images, K, K)
  std::byte* results = nullptr;  ///< (images, out_height, out_width)
};

/// What a process is told beside its configuration, which the user chose.
struct Assignment {
  std::int64_t first_image = 0;  ///< global index of the configuration's image 0
  /// This process is number `host_part` of `host_parts` that divide the host's processors.
  int host_part = 0, host_parts = 1;
  int host_workers = 0;         ///< of all of these processes, where there are several
  bool moves_messages = false;  ///< a thread beside the workers does, while they work
  /// Who works for a backend asks between pieces of work, from any thread. Once it has said yes,
  /// what is under way ends early and leaves data, results and ceilings that mean nothing.
  std::function<bool()> stop = [] { return false; };
};

/// What one rank does of a configuration, and with what.
struct RankFacts {
  std::string host = {};
  int num_workers = 0;
  std::int64_t images = 0;
  std::string kernel = {};  ///< empty where it has no images
  std::vector<int> cpus = {};
  std::optional<std::string> device = {};
};

/// The ranks' part in one iteration, each in the order of the ranks; null where one has no images.
struct RankTimes {
  std::vector<std::optional<double>> run_s;   ///< from the opening barrier to the end of its part
  std::vector<std::optional<double>> busy_s;  ///< of its busiest worker
  double barrier_s = 0;                       ///< of an empty barrier
};

/// Where the time of one iteration went on a device; unions of intervals, since streams overlap.
struct Phases {
  double upload_s = 0;
  double kernel_s = 0;
  double download_s = 0;
};

/// What the last iteration left and showed.
struct Trace {
  Digest digest = {};                        ///< of all results, wherever they live
  std::optional<Phases> phases = {};         ///< null where there are none
  std::vector<double> busy_s = {};           ///< of each worker; empty if unknown
  std::optional<RankTimes> rank_times = {};  ///< null for a process of its own

  /// Of two parts that worked at the same time: the sum of the digests, the longer phases, since
  /// clocks of two devices or hosts cannot be compared, and the busy times of both.
  Trace& operator+=(const Trace& other);
};

/// A device as its driver describes it; null is unknown.
struct DeviceInfo {
  int index = 0;  ///< as `--devices` counts
  std::string name;
  std::string compute_capability;  ///< "9.0"
  std::string pci_bus_id;          ///< "0000:3b:00.0"
  std::int64_t memory_bytes = 0;
  std::int64_t l2_bytes = 0;
  int multiprocessors = 0;
  std::optional<int> numa_node;               ///< of the host, that it is attached to
  std::string driver;                         ///< the CUDA version that the driver supports, "13.0"
  std::string runtime;                        ///< the CUDA version that this program was built with
  std::optional<std::string> driver_version;  ///< of the kernel module, "580.65.06"
  std::optional<double> sm_clock_hz;          ///< while it worked
  std::optional<double> max_sm_clock_hz;
  std::optional<double> memory_clock_hz;
  std::optional<double> power_limit_w;
  bool operator==(const DeviceInfo&) const = default;
};

/// What a backend can say of itself, for the record.
struct BackendFacts {
  std::string kernel;     ///< the one that `auto` took
  std::string path;       ///< the way that it takes inside; empty if it has but one
  std::vector<int> cpus;  ///< processor of each worker; empty where unpinned or on a device
  std::optional<std::string> device;  ///< the names of `devices`; null on the CPU
  std::vector<DeviceInfo> devices;
  std::int64_t line_bytes = 64;       ///< of memory traffic: a cache line, or a sector on a GPU
  std::int64_t last_cache_bytes = 0;  ///< 0: unknown
  bool direct = true;  ///< false: FLOPs are not those of the direct sum, so no compute bound holds
  bool quantised = true;                   ///< workers take whole images, one at a time
  Transfer transfer;                       ///< bytes over the links in one iteration of this scope
  std::vector<RankFacts> ranks;            ///< empty for a process of its own
  std::optional<std::int64_t> wire_bytes;  ///< of `transfer`, between different hosts
  std::vector<std::string> warnings;
};

/// Memory that a configuration wants on a device at once, and what is free there now.
struct DeviceNeed {
  std::string device;  ///< "device 0 (NVIDIA H200)"
  std::int64_t bytes = 0;
  std::int64_t free_bytes = 0;
};

/// What a backend wants of the program before `prepare`.
struct BackendNeeds {
  Range images;                     ///< of the configuration, that its buffers are to hold
  bool is_source = true;            ///< the program makes their data; else they arrive
  bool reads_inputs = true;         ///< else images and filters are null, unless verified or saved
  std::int64_t scratch_bytes = 0;   ///< of host memory, beside the buffers
  std::vector<DeviceNeed> devices;  ///< of each device that it uses
  /// How the pages of images and filters lie after `prepare`: where two backends have the same
  /// text, memory that one of them prepared serves the other as well as its own would. Null: only
  /// memory of its own will do.
  std::optional<std::string> placement;
};

/// Runs iterations of one configuration: the convolution of all images. The life of one, as
/// measure() drives it:
///
///     prepare(buffers)     setup: placement, registration, allocation; the buffers hold no data
///                          yet, or an earlier configuration's, which it keeps
///                          (the program fills images and filters unless they are filled)
///     load()               setup: the buffers hold their data; for backends that keep copies
///     for each iteration:
///       measure_ceilings() one pass of each ceiling
///       poison()           every result holds the reserved NaN, wherever results live
///       t = start(all)     timed,
///       wait(t)            with the host's steady clock
///       inspect(...)       the results' digest, and where the time went
///     finish()             the last results are in the host's buffer
///
/// Methods throw ResourceError on a fault. One thread drives a backend. Facts and needs are known
/// once it is made, but for what plans say that are made by `prepare`; all else follows that.
class Backend {
 public:
  /// What wait() takes; that of a later start() is not smaller.
  using Ticket = std::uint64_t;

  virtual ~Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  const BackendFacts& facts() const { return facts_; }
  const BackendNeeds& needs() const { return needs_; }

  virtual void prepare(const HostBuffers& buffers) = 0;
  virtual void load() {}
  /// One sample of each ceiling, with the same workers over the same buffers.
  virtual Ceilings measure_ceilings() = 0;
  virtual void poison() = 0;
  /// Asynchronous. Several ranges may be under way; they are worked on in the order in which they
  /// were started.
  virtual Ticket start(Range images) = 0;
  /// Blocks until the call of start() that gave `ticket`, and all before it, are done.
  virtual void wait(Ticket ticket) = 0;
  /// Whether `wait` would return at once. A backend that does not know waits, and says yes.
  virtual bool is_done(Ticket ticket) {
    wait(ticket);
    return true;
  }
  /// Of the last iteration: the digest; and `with_times` phases and busy times, for which kernels
  /// are run again, after the digest was taken, where they cannot be told from it. It may follow
  /// finish(), too.
  virtual Trace inspect(bool with_times) = 0;
  /// Results are in the host's buffer. The facts, and what the iterations showed: clocks, and in
  /// `warnings` a device that was slowed down.
  virtual BackendFacts finish() = 0;

 protected:
  Backend() = default;
  BackendFacts facts_;
  BackendNeeds needs_;
};

/// One line of `--list`: a kernel, or a device.
struct Listing {
  std::string name;
  std::string description;
  std::string unsupported;  ///< why this machine or build cannot; empty if it can
};

/// A backend in the program's table.
struct BackendEntry {
  std::string name;
  std::function<std::vector<Listing>()> kernels;  ///< fastest first
  std::function<std::vector<Listing>()> devices;
  /// How many devices `--devices` chooses from; empty where there is nothing to choose.
  std::function<int()> device_count = {};
  /// Throws UnsupportedError (no such backend, kernel or device here) or UsageError (a kernel name
  /// that nobody knows).
  std::function<std::unique_ptr<Backend>(const Config&, const Assignment&)> create;
};
using BackendTable = std::vector<BackendEntry>;

}  // namespace convscale
