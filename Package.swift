// swift-tools-version:6.2
// 6.2 or later: only then may a package that depends on this one by version use targets with unsafe build flags.

import Foundation
import PackageDescription

/// C kernels are always optimised: at -O0 they are 20 to 45 times slower, and tests run in debug.
/// Nobody reads errno after a square root, and without it there are vectors of them.
let kernelFlags: [CSetting] = [
  .unsafeFlags(["-O3", "-fopenmp", "-fno-math-errno"]), .headerSearchPath("."),
  .define("MP_STAND_INS", .when(configuration: .debug)),
]
/// What runs whole models, reads their weights or goes through texts, too, since tests do so in debug; and generic code of
/// the standard library allocates when it is not specialised, so that only an optimised engine can be held to its promise
/// to allocate nothing.
let alwaysOptimised: [SwiftSetting] = [.unsafeFlags(["-O"])]
/// Lets the policy SDK hand out spans over the engine's buffers.
let lifetimes: [SwiftSetting] = [.enableExperimentalFeature("Lifetimes")]

/// A policy's folder holds its card, too, which is no source.
let cards = (FileManager.default.subpaths(atPath: "\(Context.packageDirectory)/Policies") ?? [])
  .filter { $0.hasSuffix("/CARD.md") }
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
/// What only the server needs: left out of every build without `--traits Server`.
func served(_ name: String, _ package: String) -> Target.Dependency {
  .product(name: name, package: package, condition: .when(traits: ["Server"]))
}

let package = Package(
  name: "magic-pyramid",
  products: [
    .library(name: "MagicPyramid", targets: ["MagicPyramid", "PyramidFoundation"]),
    .library(name: "PyramidPolicy", targets: ["PyramidPolicy"]),
    .library(name: "PyramidEvaluation", targets: ["PyramidEvaluation"]),
    .library(name: "PyramidPolicyTesting", targets: ["PyramidPolicyTesting"]),
    .library(name: "PyramidFixtures", targets: ["PyramidFixtures"]),
    .library(name: "magicpyramid", type: .dynamic, targets: ["PyramidC"]),
    .library(name: "PyramidServing", targets: ["PyramidServing"]),
    .executable(name: "mp-compile", targets: ["mp-compile"]),
    .executable(name: "mp-run", targets: ["mp-run"]),
    .executable(name: "mp-compare", targets: ["mp-compare"]),
    .executable(name: "mp-train", targets: ["mp-train"]),
    .executable(name: "mp-bench", targets: ["mp-bench"]),
    .executable(name: "mp-serve", targets: ["mp-serve"]),
  ],
  traits: [
    .trait(name: "Server", description: "mp-serve: the model behind HTTP and gRPC, by Hummingbird and grpc-swift.")
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.9.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.34.1"),
    .package(url: "https://github.com/apple/swift-nio-http2", from: "1.45.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.36.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.0"),
    .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.0"),
    .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.0"),
  ],
  targets: [
    .target(name: "PyramidPolicy", swiftSettings: lifetimes + alwaysOptimised),
    .target(name: "PyramidIR", dependencies: ["PyramidPolicy"], swiftSettings: alwaysOptimised),
    .target(
      name: "BuiltInPolicies", dependencies: ["PyramidPolicy"], path: "Policies", exclude: cards,
      swiftSettings: alwaysOptimised),
    .systemLibrary(name: "CNettle", path: "Sources/CNettle", providers: [.apt(["nettle-dev"])]),
    .target(name: "PyramidFormats", dependencies: ["CNettle"], swiftSettings: alwaysOptimised),
    .target(name: "PyramidText", dependencies: ["PyramidFormats"], swiftSettings: alwaysOptimised),
    .target(
      name: "PyramidModels", dependencies: ["PyramidFormats", "PyramidIR", "PyramidPolicy", "PyramidText"],
      swiftSettings: alwaysOptimised),
    .systemLibrary(
      name: "COpenBLAS", path: "Sources/COpenBLAS", providers: [.apt(["libopenblas-dev"])]),
    .target(
      name: "CPyramidKernels", dependencies: ["COpenBLAS"], cSettings: kernelFlags,
      linkerSettings: [.linkedLibrary("omp5")]),
    .target(
      name: "PyramidKernels", dependencies: ["PyramidIR", "CPyramidKernels"], swiftSettings: alwaysOptimised),
    .target(
      name: "PyramidCompiler",
      dependencies: ["PyramidIR", "PyramidKernels", "PyramidModels", "PyramidPolicy", "PyramidFormats"],
      swiftSettings: alwaysOptimised),
    .target(
      name: "PyramidRuntime", dependencies: ["PyramidIR", "PyramidPolicy", "PyramidFormats", "PyramidKernels"],
      swiftSettings: alwaysOptimised),
    .target(name: "CPyramidReference", cSettings: [.unsafeFlags(["-O3"])]),
    .target(
      name: "PyramidReference", dependencies: ["CPyramidReference", "PyramidIR", "PyramidPolicy"],
      swiftSettings: alwaysOptimised),
    .target(name: "PyramidPlugins", dependencies: ["PyramidFormats", "PyramidPolicy"]),
    .target(name: "PyramidEvaluation", dependencies: ["PyramidFormats"], swiftSettings: alwaysOptimised),
    .target(
      name: "MagicPyramid",
      dependencies: [
        "BuiltInPolicies", "PyramidCompiler", "PyramidFormats", "PyramidIR", "PyramidKernels", "PyramidModels",
        "PyramidPlugins",
        "PyramidPolicy", "PyramidReference", "PyramidRuntime", "PyramidText",
      ]),
    .target(
      name: "PyramidFoundation",
      dependencies: ["MagicPyramid", "PyramidIR", "PyramidReference", "PyramidText"]),
    .target(
      name: "PyramidPolicyTesting",
      dependencies: [
        "MagicPyramid", "PyramidCompiler", "PyramidEvaluation", "PyramidFormats", "PyramidIR", "PyramidPolicy",
        "PyramidRuntime",
      ], swiftSettings: lifetimes),
    .target(
      name: "PyramidFixtures", path: "Graphs", exclude: ["filetests", "gallery"], sources: ["PyramidFixtures.swift"],
      resources: [.copy("dbpedia14")]),
    .target(
      name: "PyramidTraining",
      dependencies: [
        "BuiltInPolicies", "PyramidCompiler", "PyramidEvaluation", "PyramidFormats", "PyramidIR", "PyramidKernels",
        "PyramidModels", "PyramidPolicy", "PyramidRuntime", "PyramidText",
      ], swiftSettings: alwaysOptimised),
    .target(name: "PyramidTools", dependencies: ["MagicPyramid", "PyramidFormats", argumentParser]),
    .executableTarget(
      name: "mp-compile",
      dependencies: [
        "PyramidCompiler", "PyramidFormats", "PyramidIR", "PyramidKernels", "PyramidPolicyTesting", "PyramidTools",
      ]),
    .executableTarget(name: "mp-run", dependencies: ["PyramidEvaluation", "PyramidFormats", "PyramidTools"]),
    .executableTarget(
      name: "mp-compare",
      dependencies: ["PyramidFormats", "PyramidModels", "PyramidPolicyTesting", "PyramidTools", "PyramidTraining"]),
    .executableTarget(
      name: "mp-train", dependencies: ["PyramidFormats", "PyramidModels", "PyramidTools", "PyramidTraining"]),
    .executableTarget(
      name: "mp-bench", dependencies: ["PyramidEvaluation", "PyramidFormats", "PyramidKernels", "PyramidTools"]),
    .target(name: "PyramidC", dependencies: ["MagicPyramid", "PyramidFormats"], exclude: ["Python", "include"]),
    .target(name: "PyramidServing", dependencies: ["MagicPyramid", "PyramidFormats"]),
    .executableTarget(
      name: "mp-serve",
      dependencies: [
        "PyramidFormats", "PyramidServing", "PyramidTools", served("Hummingbird", "hummingbird"),
        served("HummingbirdCore", "hummingbird"), served("HummingbirdTLS", "hummingbird"),
        served("HTTPTypes", "swift-http-types"), served("Logging", "swift-log"), served("CoreMetrics", "swift-metrics"),
        served("NIOCore", "swift-nio"), served("NIOHTTP1", "swift-nio"), served("NIOHTTPTypes", "swift-nio-extras"),
        served("NIOHPACK", "swift-nio-http2"), served("NIOHTTP2", "swift-nio-http2"),
        served("NIOSSL", "swift-nio-ssl"), served("NIOCertificateReloading", "swift-nio-extras"),
        served("ServiceLifecycle", "swift-service-lifecycle"),
        served("UnixSignals", "swift-service-lifecycle"), served("GRPCCore", "grpc-swift-2"),
        served("GRPCNIOTransportHTTP2", "grpc-swift-nio-transport"), served("GRPCProtobuf", "grpc-swift-protobuf"),
        served("SwiftProtobuf", "swift-protobuf"),
      ], exclude: ["GRPC/open_inference.proto"], resources: [.embedInCode("Page/page.html")]),
    .testTarget(name: "PyramidIRTests", dependencies: ["PyramidIR", "PyramidPolicy"]),
    .testTarget(name: "PyramidPolicyTests", dependencies: ["BuiltInPolicies", "PyramidPolicy"]),
    .testTarget(name: "PyramidFormatsTests", dependencies: ["PyramidFormats"]),
    .testTarget(name: "PyramidTextTests", dependencies: ["PyramidFormats", "PyramidText"]),
    .testTarget(name: "PyramidModelsTests", dependencies: ["PyramidFormats", "PyramidModels", "PyramidTestSupport"]),
    .testTarget(name: "CPyramidKernelsTests", dependencies: ["CPyramidKernels"]),
    .testTarget(name: "PyramidReferenceTests", dependencies: ["PyramidIR", "PyramidPolicy", "PyramidReference"]),
    .testTarget(
      name: "PyramidTrainingTests",
      dependencies: [
        "BuiltInPolicies", "PyramidCompiler", "PyramidEvaluation", "PyramidFormats", "PyramidIR", "PyramidKernels",
        "PyramidModels", "PyramidPolicy", "PyramidReference", "PyramidRuntime", "PyramidTestSupport", "PyramidTraining",
      ]),
    .testTarget(name: "PyramidPluginsTests", dependencies: ["BuiltInPolicies", "PyramidPlugins", "PyramidPolicy"]),
    .testTarget(name: "PyramidEvaluationTests", dependencies: ["PyramidEvaluation", "PyramidFormats"]),
    .testTarget(
      name: "PyramidPolicyTestingTests",
      dependencies: [
        "BuiltInPolicies", "PyramidFixtures", "PyramidFormats", "PyramidPolicyTesting", "PyramidTestSupport",
      ]),
    .testTarget(
      name: "PyramidServingTests", dependencies: ["MagicPyramid", "PyramidServing", "PyramidTestSupport"]),
    .target(name: "CAllocationCounter", path: "Tests/AllocationCounter"),
    .executableTarget(
      name: "engine-probe",
      dependencies: [
        "CAllocationCounter", "MagicPyramid", "PyramidCompiler", "PyramidIR", "PyramidModels", "PyramidRuntime",
        "PyramidTraining",
      ], path: "Tests/EngineProbe"),
    .executableTarget(
      name: "training-probe",
      dependencies: ["PyramidFormats", "PyramidModels", "PyramidTestSupport", "PyramidTraining"],
      path: "Tests/TrainingProbe"),
    .testTarget(
      name: "ToolTests",
      dependencies: [
        "engine-probe", "training-probe", "mp-compile", "mp-run", "mp-compare", "mp-train", "mp-bench",
        "PyramidTestSupport",
      ]),
    .testTarget(name: "LayoutTests"),
    .testTarget(
      name: "DocumentationTests", dependencies: ["MagicPyramid", "PyramidFixtures", "PyramidPolicyTesting"]),
    .testTarget(
      name: "Filetests",
      dependencies: [
        "MagicPyramid", "PyramidCompiler", "PyramidFormats", "PyramidIR", "PyramidModels", "PyramidReference",
        "PyramidRuntime",
      ]),
    .target(
      name: "PyramidTestSupport",
      dependencies: [
        "MagicPyramid", "PyramidCompiler", "PyramidFormats", "PyramidIR", "PyramidModels", "PyramidReference",
        "PyramidRuntime", "PyramidText", "PyramidTraining",
      ], path: "Tests/Support", swiftSettings: alwaysOptimised),
    .target(
      name: "PyramidFuzz",
      dependencies: ["MagicPyramid", "PyramidServing", "PyramidTestSupport", "PyramidTraining"],
      path: "Tests/Fuzz", swiftSettings: alwaysOptimised),
    .executableTarget(name: "fuzz-driver", dependencies: ["PyramidFuzz"], path: "Tests/FuzzDriver"),
    .testTarget(
      name: "PyramidRuntimeTests",
      dependencies: ["MagicPyramid", "PyramidCompiler", "PyramidReference", "PyramidTestSupport"]),
    .testTarget(
      name: "MagicPyramidTests",
      dependencies: ["MagicPyramid", "PyramidFoundation", "PyramidFuzz", "PyramidReference", "PyramidTestSupport"]),
  ]
)
