// How many threads an executor starts when the user does not say: control-group files of both versions, laid out as
// kernels and container runtimes do, in a temporary folder.

import PyramidTestSupport
import Testing

@testable import PyramidRuntime

/// Control-group files and what they amount to.
struct CgroupCase: Sendable, CustomTestStringConvertible {
  let name: String
  /// /proc/self/cgroup.
  let membership: String
  /// Path below the hierarchy's root -> content.
  let files: [String: String]
  let cpus: Int?

  var testDescription: String { name }

  static let all = [
    CgroupCase(name: "no files", membership: "0::/\n", files: [:], cpus: nil),
    CgroupCase(name: "v2, two CPUs", membership: "0::/\n", files: ["cpu.max": "200000 100000\n"], cpus: 2),
    CgroupCase(
      name: "v2, a share is rounded down", membership: "0::/\n", files: ["cpu.max": "150000 100000\n"], cpus: 1),
    CgroupCase(name: "v2, less than one CPU", membership: "0::/\n", files: ["cpu.max": "5000 100000\n"], cpus: 1),
    CgroupCase(name: "v2, no quota", membership: "0::/\n", files: ["cpu.max": "max 100000\n"], cpus: nil),
    CgroupCase(
      name: "v2, the parent has the quota", membership: "0::/user.slice/job\n",
      files: ["user.slice/cpu.max": "300000 100000\n", "user.slice/job/cpu.max": "max 100000\n"], cpus: 3),
    CgroupCase(
      name: "v2, the smallest of nested quotas", membership: "0::/a/b\n",
      files: ["a/cpu.max": "800000 100000\n", "a/b/cpu.max": "400000 100000\n"], cpus: 4),
    CgroupCase(
      name: "v2, a neighbour's quota does not count", membership: "0::/a\n", files: ["b/cpu.max": "100000 100000\n"],
      cpus: nil),
    CgroupCase(
      name: "v1, two and a half CPUs", membership: "5:memory:/\n4:cpu,cpuacct:/docker/x\n0::/\n",
      files: ["cpu/docker/x/cpu.cfs_quota_us": "250000\n", "cpu/docker/x/cpu.cfs_period_us": "100000\n"], cpus: 2),
    CgroupCase(
      name: "v1, the container sees its group as root", membership: "4:cpu,cpuacct:/docker/x\n",
      files: ["cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"], cpus: 1),
    CgroupCase(
      name: "v1, no quota", membership: "4:cpu:/\n",
      files: ["cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"], cpus: nil),
    CgroupCase(
      name: "a path upwards stays below the root", membership: "0::/../../x\n", files: ["x/cpu.max": "100000 100000\n"],
      cpus: 1),
    CgroupCase(name: "nonsense", membership: "what\n::\n0:\n", files: ["cpu.max": "a b c\n"], cpus: nil),
    CgroupCase(
      name: "numbers without end", membership: "0::/\n", files: ["cpu.max": "99999999999999999999 1\n"], cpus: nil),
    CgroupCase(name: "a period of nothing", membership: "0::/\n", files: ["cpu.max": "100000 0\n"], cpus: nil),
  ]
}

@Suite struct `The thread count` {
  @Test(arguments: CgroupCase.all)
  func `respects the control group's quota`(test: CgroupCase) throws {
    let folder = try TemporaryFolder()
    try folder.makeFolder("root")
    for (path, content) in test.files {
      try folder.makeFolder("root/" + path.split(separator: "/").dropLast().joined(separator: "/"))
      try folder.write("root/" + path, content)
    }
    let membership = try folder.write("cgroup", test.membership)
    #expect(ThreadCount.quota(root: folder.path("root"), membership: membership) == test.cpus)
  }

  @Test(arguments: [
    ("Cpus_allowed_list:\t0\n", 1), ("Cpus_allowed_list:\t0-3\n", 4),
    ("Name:\tx\nCpus_allowed_list:\t0-3,8,10-11\n", 7),
  ])
  func `respects the affinity mask`(status: String, cpus: Int) throws {
    let folder = try TemporaryFolder()
    #expect(ThreadCount.allowedCPUs(status: try folder.write("status", status)) == cpus)
  }

  @Test(arguments: ["", "Cpus_allowed_list:\n", "Cpus_allowed_list:\tx-y\n"])
  func `is at least one whatever the kernel says`(status: String) throws {
    let folder = try TemporaryFolder()
    #expect(ThreadCount.allowedCPUs(status: try folder.write("status", status)) >= 1)
    #expect(ThreadCount.allowedCPUs(status: folder.path("missing")) >= 1)
  }

  @Test(
    arguments: [
      (1, nil, 1), (3, "8", 3), (0, nil, 1), (-5, nil, 1), (1_000_000, nil, ThreadCount.limit), (nil, "8", 8),
      (nil, "4,2", 4),
      (nil, "99999", ThreadCount.limit),
    ] as [(Int?, String?, Int)])
  func `is what was asked for, else OMP_NUM_THREADS`(requested: Int?, variable: String?, expected: Int) {
    #expect(ThreadCount.choose(requested: requested, variable: variable) == expected)
  }

  @Test(arguments: ["", "0", "-3", "many", "1x", "99999999999999999999"])
  func `ignores an OMP_NUM_THREADS that is no count`(variable: String) {
    let free = ThreadCount.choose(requested: nil, variable: nil)
    #expect(free >= 1)
    #expect(ThreadCount.choose(requested: nil, variable: variable) == free)
  }
}
