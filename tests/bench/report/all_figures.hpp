// SPDX-License-Identifier: Apache-2.0
// Records in which no two figures are alike, so that one shown in another's place is seen. What
// reports must say of them is worked out by hand. They are of no hardware.
#pragma once

#include "bench/report/record.hpp"

#include <initializer_list>
#include <string>
#include <vector>

namespace convscale::testing {

inline std::vector<double> microseconds(std::initializer_list<double> times) {
  std::vector<double> seconds;
  for (const double time : times) seconds.push_back(time / 1e6);
  return seconds;
}

inline DeviceInfo a_device() {
  return {.index = 1,
          .name = "Card",
          .compute_capability = "9.0",
          .pci_bus_id = "0000:3b:00.0",
          .memory_bytes = 150'000'000'000,
          .l2_bytes = 22,
          .multiprocessors = 33,
          .numa_node = 0,
          .driver = "13.1",
          .runtime = "13.0",
          .driver_version = "580.65.06",
          .sm_clock_hz = 1.5e9,
          .max_sm_clock_hz = 1.98e9,
          .memory_clock_hz = 3.2e9,
          .power_limit_w = 700};
}

/// One with every figure that there is.
///
/// Times, sorted: 12 15 16 18 19 21 25 27 28 49 us, in all 230: mean 23; squares of the distances
/// from it 121 64 49 25 16 4 4 16 25 676, in all 1000: std 10. Of ten, the interval of the median
/// (20) is from the second to the ninth. Distances from 20: 8 5 4 2 1 1 5 7 8 29, their median 5:
/// 49 alone is an outlier.
///
/// Sizes: along 12 rows, kept outputs 0 and 7 sum over 1 + 3 of them, along 16 columns 0, 7 and 14
/// over 1 + 3 + 3: 28 pairs, 56 FLOP an image. Their windows cover rows 0, 5, 6, 7 and columns 0,
/// 5-7, 12-14: 3 of a row's 4 lines of 32 bytes, so 384 bytes an image, and 6 results of 8 bytes.
/// 250 images: 96 kB + 12 kB = 108 kB, and 14 kFLOP. (All pixels would be 384 kB, all outputs 864
/// kFLOP.)
inline Record all_figures() {
  Record r;
  Config& c = r.config;
  c.backend = "cuda";
  c.kernel = "auto";
  c.method = Method::kStrided;
  c.scope = Scope::kResident;
  c.dtype = Dtype::kFloat64;
  c.shape = {.images = 250, .height = 12, .width = 16, .filter_size = 3, .stride = 7};
  c.fill = Fill::kIntegers;
  c.seed = 18446744073709551615u;
  c.num_workers = 6;
  c.iterations = 10;
  c.burns = 2;
  c.schedule = Schedule::kSplit;
  c.bind = Bind::kCompact;
  c.host_memory = HostMemory::kPageable;
  c.ranks = 4;
  c.distribute = Distribute::kScatter;
  c.stop.timeout_s = 60;

  BackendFacts& f = r.facts;
  f.kernel = "tiled";
  f.path = "eng0";
  f.cpus = {0, 2, 5};
  f.device = "Card";
  f.devices = {a_device()};
  f.line_bytes = 32;
  f.transfer = {
      .up_bytes = 56000, .down_bytes = 15000, .scatter_bytes = 40000, .gather_bytes = 9000};
  f.wire_bytes = 33000;
  f.ranks = {{.host = "n1", .num_workers = 1, .images = 42, .kernel = "tiled", .cpus = {1, 2}},
             {.host = "n2", .num_workers = 2, .images = 83, .kernel = "tiled", .device = "Card"},
             {.host = "n3", .num_workers = 3, .images = 125, .kernel = "direct"},
             {.host = "n3"}};
  f.warnings = {"first warning", "second, with a comma"};

  r.warnings = f.warnings;
  r.warnings.push_back(
      "the times vary by 43 % (coefficient of variation); is anything else running?");
  r.setup_s = 0.019;
  r.load_s = 0.011;
  r.generation_s = 0.053;
  r.ceilings_s = 0.0084;
  r.checks_s = 0.0036;
  r.verification_s = 0.071;
  r.burn_times_s = microseconds({64, 37});
  r.times_s = microseconds({27, 16, 49, 12, 21, 28, 15, 19, 25, 18});
  r.stopped_by = StoppedBy::kIterations;
  r.summary = summarize(r.times_s);
  // 71 kB both ways at once in 16 us are more than 56 kB up in 11.2 and 15 kB down in 5; 108 kB in
  // 13.5; 14 kFLOP in 7; 40 kB scattered in 10, 9 kB gathered in 6.
  r.bound = Bound{.limit = Limit::kTransfer,
                  .time_s = 16e-6,
                  .bytes = 108'000,
                  .flops = 14'000,
                  .ceilings = {.read_bytes_per_s = 8e9,
                               .copy_bytes_per_s = 7.5e9,
                               .peak_flops_per_s = 2e9,
                               .up_bytes_per_s = 5e9,
                               .down_bytes_per_s = 3e9,
                               .duplex_bytes_per_s = 4.4375e9,
                               .scatter_bytes_per_s = 4e9,
                               .gather_bytes_per_s = 1.5e9}};
  r.fraction = 0.8;
  r.phases = Phases{2.25e-6, 5.75e-6, 1.75e-6};
  r.workers = WorkerTimes{2.75e-6, 11.5e-6};
  r.rank_figures = RankFigures{.run_s = {17e-6, 14.5e-6, 18.5e-6, std::nullopt},
                               .busy_s = {6.25e-6, 9.25e-6, 10.25e-6, std::nullopt},
                               .barrier_s = 1.25e-6,
                               .fastest = 1,
                               .slowest = 2,
                               // 1 - 15/25 and 1 - 11/18 are those in the middle.
                               .communication_share = (0.4 + 7.0 / 18) / 2};
  r.balance = 250.0 / (6 * 42);
  r.verification = {VerificationStatus::kPassed, 1500, 0.375, ""};
  r.digest = 0x0123456789abcdef;
  return r;
}

/// Another one of the same data.
///
/// Times, sorted: 6 7 8 9 10 11 12 13 14 31 us, in all 121: mean 12.1, median 10.5, interval 7 to
/// 14. Against the other: 20 / 10.5 = 1.905; its interval reaches down by exp(hypot(ln(20 / 15),
/// ln(14 / 10.5))) = 1.502 and up by exp(hypot(ln(28 / 20), ln(10.5 / 7))) = 1.694, so from 1.268
/// to 3.226. Side by side: 1.462 1.581 1.714 1.778 1.929 2.1 2.25 2.273 2.333 2.5, their
/// median 2.014, its interval 1.581 to 2.333.
inline Record more_figures() {
  Record r = all_figures();
  r.facts.kernel = "direct";
  r.setup_s = 0.023;
  r.load_s = 0.013;
  r.generation_s = 0.0027;
  r.ceilings_s = 0.0021;
  r.checks_s = 0.0046;
  r.verification_s = 0.083;
  r.burn_times_s = microseconds({74, 5});
  r.times_s = microseconds({14, 9, 31, 7, 10, 12, 6, 13, 11, 8});
  r.summary = summarize(r.times_s);
  r.fraction = 16 / 10.5;  // 1.52
  return r;
}

/// The line of the CPU crosses that of the GPU at 16 images.
inline BreakEven a_break_even() {
  BreakEven entry;
  Config& c = entry.cpu.config;
  c.kernel = "avx512";
  c.method = Method::kStrided;
  c.dtype = Dtype::kFloat32;
  c.num_workers = 8;
  c.shape = {.images = 16, .height = 10, .width = 20, .filter_size = 3, .stride = 2};
  entry.gpu.config = c;
  entry.gpu.config.backend = "cuda";
  entry.gpu.config.kernel = "tiled";
  entry.gpu.config.num_workers = 2;
  entry.cpu.points = {{4, 1.5}, {8, 2.5}, {16, 4.5}};
  entry.gpu.points = {{4, 3}, {8, 3.5}, {16, 4.5}};
  entry.cpu.line = TimeLine{0.5, 0.25};
  entry.gpu.line = TimeLine{2.5, 0.125};
  entry.images_from = 17;
  entry.upload_s = 1;
  entry.resident_s = 2;
  entry.cpu_s = 3;
  entry.passes = 2;
  return entry;
}

/// A run of several rows has no details of each.
inline Report report_of(std::vector<Record> records) {
  Report report;
  report.argv = {"convscale", "--size", "1000"};
  report.started_at = "2000-01-02T03:04:05Z";
  report.host = {.name = "n1",
                 .os = "An OS",
                 .cpu = "A CPU",
                 .sockets = 2,
                 .cores = 4,
                 .threads = 8,
                 .smt = true,
                 .numa_nodes = 3,
                 .caches = {{"L2", 1000, 3}},
                 .memory_bytes = 64'000'000'000,
                 .isa = {"avx", "avx2"},
                 .affinity = "0-7",
                 .max_clock_hz = 3.4e9,
                 .governor = "performance",
                 .huge_pages = "madvise",
                 .hypervisor = "kvm",
                 .load = 0.5};
  report.mpi = "Open MPI 4.1.4";
  report.hosts = {"n1", "n2", "n3", "n3"};
  report.records = std::move(records);
  // Iterations of both: 101 + 230 + 79 + 121 us = 531 us; setup 42, generation 55.7, ceilings 10.5,
  // checks 8.2 and verification 154 ms. With break_even_s that is 0.700931 s, which leaves
  // 0.199069.
  report.wall_s = 0.9;
  report.break_even_s = 0.43;
  return report;
}

}  // namespace convscale::testing
