// SPDX-License-Identifier: Apache-2.0
// Every figure that a report shows, in the text and in JSON; csv_test.cpp sets the flat
// formats against that. What is expected here is worked out by hand, in all_figures.hpp.
#include "bench/report/all_figures.hpp"
#include "bench/report/report.hpp"
#include "json_alike.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace convscale {
namespace {

using testing::a_break_even;
using testing::all_figures;
using testing::expect_alike;
using ::testing::HasSubstr;
using testing::more_figures;
using testing::report_of;
using Json = nlohmann::ordered_json;

TEST(AllFigures, InJson) {
  Report report = report_of({all_figures()});
  report.interrupted = true;
  report.break_even = {a_break_even()};
  EXPECT_TRUE(to_json(report).ends_with("}\n"));
  Json document = Json::parse(to_json(report));
  for (const char* of_this_build : {"version", "git"}) document.at("program").at(of_this_build) = 0;
  for (const char* of_this_build : {"type", "compiler", "flags", "cuda", "cudnn"})
    document.at("build").at(of_this_build) = 0;
  const Json record = document.at("records").at(0);
  document.at("records") = 0;
  expect_alike(document, Json::parse(R"({
    "schema_version": "1",
    "program": {"name": "convscale", "version": 0, "git": 0,
                "argv": ["convscale", "--size", "1000"]},
    "started_at": "2000-01-02T03:04:05Z", "interrupted": true, "wall_s": 0.9, "break_even_s": 0.43,
    "build": {"type": 0, "compiler": 0, "flags": 0, "cuda": 0, "cudnn": 0, "mpi": "Open MPI 4.1.4"},
    "host": {"name": "n1", "os": "An OS", "cpu": "A CPU", "sockets": 2, "cores": 4, "threads": 8,
             "smt": true, "numa_nodes": 3, "caches": [{"name": "L2", "bytes": 1000, "count": 3}],
             "memory_bytes": 64000000000, "isa": ["avx", "avx2"], "affinity": "0-7",
             "max_clock_hz": 3.4e9, "governor": "performance", "huge_pages": "madvise",
             "hypervisor": "kvm", "load": 0.5},
    "devices": [
      {"index": 1, "name": "Card", "compute_capability": "9.0", "pci_bus_id": "0000:3b:00.0",
       "memory_bytes": 150000000000, "l2_bytes": 22, "multiprocessors": 33, "numa_node": 0,
       "driver": "13.1", "runtime": "13.0", "driver_version": "580.65.06", "sm_clock_hz": 1.5e9,
       "max_sm_clock_hz": 1.98e9, "memory_clock_hz": 3.2e9, "power_limit_w": 700.0}],
    "ranks": 4, "hosts": ["n1", "n2", "n3", "n3"], "records": 0,
    "break_even": [
      {"method": "strided", "dtype": "float32", "height": 10, "width": 20, "images": 16,
       "filter_size": 3, "stride": 2,
       "cpu": {"kernel": "avx512", "num_workers": 8,
               "points": [{"images": 4, "median_s": 1.5}, {"images": 8, "median_s": 2.5},
                          {"images": 16, "median_s": 4.5}],
               "fixed_s": 0.5, "per_image_s": 0.25},
       "cuda": {"kernel": "tiled", "num_workers": 2,
                "points": [{"images": 4, "median_s": 3.0}, {"images": 8, "median_s": 3.5},
                           {"images": 16, "median_s": 4.5}],
                "fixed_s": 2.5, "per_image_s": 0.125},
       "images_from": 17, "images_reason": null, "upload_s": 1.0, "resident_s": 2.0, "cpu_s": 3.0,
       "passes": 2, "passes_reason": null}]})"),
               "document");
  expect_alike(record, Json::parse(R"({
    "status": "ok", "reason": null,
    "warnings": ["first warning", "second, with a comma",
        "the times vary by 43 % (coefficient of variation); is anything else running?"],
    "backend": "cuda", "kernel": "tiled", "method": "strided", "scope": "resident",
    "dtype": "float64", "height": 12, "width": 16, "images": 250, "filter_size": 3, "stride": 7,
    "fill": "integers", "seed": 18446744073709551615, "num_workers": 6, "cpus": [0, 2, 5],
    "device": "Card", "host_memory": "pageable", "schedule": "split", "bind": "compact",
    "ranks": 4, "distribute": "scatter", "iterations": 10, "burns": 2, "work_time": null,
    "interleaved": false, "min_time_s": null, "max_noise": null, "timeout_s": 60.0,
    "stopped_by": "iterations", "setup_s": 0.019, "load_s": 0.011, "generation_s": 0.053,
    "ceilings_s": 0.0084, "checks_s": 0.0036, "verification_s": 0.071,
    "burn_times_s": [64e-6, 37e-6],
    "times_s": [27e-6, 16e-6, 49e-6, 12e-6, 21e-6, 28e-6, 15e-6, 19e-6, 25e-6, 18e-6],
    "mean_s": 23e-6, "std_s": 10e-6, "min_s": 12e-6, "median_s": 20e-6, "median_low_s": 15e-6,
    "median_high_s": 28e-6, "noise": 0.325, "max_s": 49e-6, "cv": 0.43478260869565216,
    "outliers": 1, "images_per_s": 12.5e6, "pixels_per_s": 2.4e9, "bytes_per_s": 5.4e9,
    "flops_per_s": 0.7e9,
    "bound": {"limit": "transfer", "time_s": 16e-6, "fraction": 0.8, "bytes": 108000,
              "flops": 14000, "read_bytes_per_s": 8e9, "copy_bytes_per_s": 7.5e9, "peak_flops_per_s": 2e9,
              "up_bytes_per_s": 5e9, "down_bytes_per_s": 3e9, "duplex_bytes_per_s": 4.4375e9,
              "scatter_bytes_per_s": 4e9, "gather_bytes_per_s": 1.5e9,
              "network_bytes_per_s": 3.0625e9},
    "phases": {"upload_s": 2.25e-6, "kernel_s": 5.75e-6, "download_s": 1.75e-6},
    "workers": {"busy_min_s": 2.75e-6, "busy_max_s": 11.5e-6, "balance": 0.9920634920634921},
    "per_rank": [
      {"rank": 0, "host": "n1", "num_workers": 1, "images": 42, "cpus": [1, 2], "device": null,
       "kernel": "tiled", "busy_s": 6.25e-6, "run_s": 17e-6},
      {"rank": 1, "host": "n2", "num_workers": 2, "images": 83, "cpus": null, "device": "Card",
       "kernel": "tiled", "busy_s": 9.25e-6, "run_s": 14.5e-6},
      {"rank": 2, "host": "n3", "num_workers": 3, "images": 125, "cpus": null, "device": null,
       "kernel": "direct", "busy_s": 10.25e-6, "run_s": 18.5e-6},
      {"rank": 3, "host": "n3", "num_workers": 0, "images": 0, "cpus": null, "device": null,
       "kernel": null, "busy_s": null, "run_s": null}],
    "fastest_rank": {"rank": 1, "host": "n2", "run_s": 14.5e-6},
    "slowest_rank": {"rank": 2, "host": "n3", "run_s": 18.5e-6},
    "exchanged_bytes": 49000, "wire_bytes": 33000, "communication_share": 0.39444444444444444,
    "barrier_s": 1.25e-6,
    "verification": {"status": "passed", "outputs": 1500, "max_error_of_bound": 0.375},
    "digest": "0123456789abcdef", "path": "eng0"})"),
               "record");
}

TEST(AllFigures, InTheOriginalsLines) {
  EXPECT_EQ(original_lines(all_figures(), /*with_iterations=*/true),
            "Number of workers: 6\nNumber of images: 250\n"
            "Time for iteration 0 is 0.000064000 seconds\n"
            "Time for iteration 1 is 0.000037000 seconds\n"
            "Time for iteration 2 is 0.000027000 seconds\n"
            "Time for iteration 3 is 0.000016000 seconds\n"
            "Time for iteration 4 is 0.000049000 seconds\n"
            "Time for iteration 5 is 0.000012000 seconds\n"
            "Time for iteration 6 is 0.000021000 seconds\n"
            "Time for iteration 7 is 0.000028000 seconds\n"
            "Time for iteration 8 is 0.000015000 seconds\n"
            "Time for iteration 9 is 0.000019000 seconds\n"
            "Time for iteration 10 is 0.000025000 seconds\n"
            "Time for iteration 11 is 0.000018000 seconds\n"
            "Average time: 0.0000230 second(s)\n"
            "Standard deviation: 0.0000100 second(s)\n");
}

TEST(AllFigures, InTheTextOfARow) {
  EXPECT_EQ(
      table_text(report_of({all_figures()})),
      "backend  kernel  method   scope     host memory  dtype     size  filter  stride  images  "
      "workers  ranks  distribute    median     cv    images/s  GB/s  GFLOP/s  of bound  limit\n"
      "cuda     tiled   strided  resident  pageable     float64  12x16     3x3       7     250  "
      "      6      4  scatter     20.00 us  43.5%  12500000.0  5.40      0.7      0.80  "
      "transfer\n"
      "\n"
      "Device:  1 Card, compute capability 9.0, 150.00 GB, clock 1500 MHz of at most 1980 MHz, "
      "memory clock 3200 MHz, power limit 700 W\n"
      "Ranks:   4 on 3 hosts, scatter; 49.0 kB exchanged in an iteration, 33.0 kB of it between "
      "hosts\n"
      "         done after 14.50 us (rank 1 on n2) to 18.50 us (rank 2 on n3); an empty barrier "
      "takes 1.250 us; without computing 39 %\n"
      "Data:    384.0 kB of pixels (1.5 kB an image), 12.0 kB of results\n"
      "Bound:   16.00 us (transfer), the largest of\n"
      "           13.50 us for 108.0 kB at 8.0 GB/s\n"
      "           7.000 us for 1.4e-05 GFLOP at 2.0 GFLOP/s\n"
      "           11.20 us for 56.0 kB up at 5.0 GB/s\n"
      "           5.000 us for 15.0 kB down at 3.0 GB/s\n"
      "           16.00 us for 71.0 kB both ways at once at 4.4 GB/s\n"
      "           10.00 us for 40.0 kB scattered at 4.0 GB/s\n"
      "           6.000 us for 9.0 kB gathered at 1.5 GB/s\n"
      "Phases:  upload 2.250 us, kernel 5.750 us, download 1.750 us (medians; they overlap)\n"
      "Spread:  12.00 us to 49.00 us, 1 of 10 iterations are outliers; workers busy 2.750 us to "
      "11.50 us\n"
      "Untimed: setup 19.00 ms (loading 11.00 ms), generation 53.00 ms, ceilings 8.400 ms, poison "
      "and digests 3.600 ms, verification 71.00 ms\n"
      "Note:    250 images on 6 workers are balanced to 0.992 at best; --schedule split deals "
      "rows\n");
  EXPECT_EQ(verdict_lines(all_figures()),
            "Verification: passed (1500 outputs, max error 0.38 of the bound)\n"
            "FOM: 12500000.0 images/s\n");
}

TEST(AllFigures, InTheTextOfAList) {
  EXPECT_EQ(
      table_text(report_of({all_figures(), more_figures()})),
      "In all rows: method strided, scope resident, host memory pageable, dtype float64, size "
      "12x16, filter 3x3, stride 7, images 250, workers 6, ranks 4, distribute scatter\n"
      "row  backend  kernel    median     cv    images/s   GB/s  GFLOP/s  of bound  limit       vs "
      "first\n"
      "  1  cuda     tiled   20.00 us  43.5%  12500000.0   5.40      0.7      0.80  transfer       "
      " 1.00\n"
      "  2  cuda     direct  10.50 us  55.9%  23809523.8  10.29      1.3     1.52!  transfer  1.90 "
      "±1.33\n"
      "\n"
      "Took 900.0 ms: iterations 531.0 us; setup 42.00 ms, generation 55.70 ms, ceilings 10.50 ms, "
      "poison and digests 8.200 ms, verification 154.0 ms, break-even 430.0 ms, all else 199.1 "
      "ms\n");
  EXPECT_THAT(verdict_lines(more_figures(), 2), HasSubstr("\nFOM: 23809523.8 images/s (row 2)\n"));
  Record first = all_figures(), second = more_figures();
  first.config.interleaved = second.config.interleaved = true;
  EXPECT_THAT(table_text(report_of({first, second})), HasSubstr("transfer  2.01 ±0.44\n"));
}

}  // namespace
}  // namespace convscale
