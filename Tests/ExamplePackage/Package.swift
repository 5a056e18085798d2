// swift-tools-version:6.2
// A package that uses this one, as a reader of the README would write it; Scripts/check-example builds and runs it. In a
// package of your own the dependency has the path of your checkout, or a URL and a branch.

import PackageDescription

let package = Package(
  name: "example",
  dependencies: [.package(name: "magic-pyramid", path: "../..")],
  targets: [
    .executableTarget(name: "example", dependencies: [.product(name: "MagicPyramid", package: "magic-pyramid")])
  ]
)
