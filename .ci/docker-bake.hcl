# docker buildx bake -f .ci/docker-bake.hcl                  all targets, for amd64 and arm64, with SBOM and provenance
# docker buildx bake -f .ci/docker-bake.hcl --print          what that would be
# REGISTRY=registry.example/bulkhead VERSION=1.2.3 docker buildx bake -f .ci/docker-bake.hcl --push
# A release pushes all of it so.

variable "REGISTRY" { default = "bulkhead" }
variable "VERSION" { default = "0.1.0" }
variable "REVISION" { default = "unknown" }
variable "CREATED" { default = "" }
variable "SOURCE" { default = "" }
variable "URL" { default = "" }

# What is no version like 1.2.3 (a candidate, say) has its own name alone, and moves none.
function "tags" {
  params = [target, suffix]
  result = formatlist("${REGISTRY}:%s", compact(concat(
    ["${VERSION}${suffix}"],
    [for moved in [
      "${regex_replace(VERSION, "[.][0-9]+$", "")}${suffix}",
      target,
      suffix == "" ? "latest" : "",
    ] : length(regexall("^[0-9]+[.][0-9]+[.][0-9]+$", VERSION)) > 0 ? moved : ""],
  )))
}

group "default" { targets = ["runtime-slim", "runtime", "runtime-shell"] }

target "_published" {
  context = "."
  args = { VERSION = VERSION, REVISION = REVISION, CREATED = CREATED, SOURCE = SOURCE, URL = URL }
  platforms = ["linux/amd64", "linux/arm64"]
  attest = ["type=sbom", "type=provenance,mode=max"]
}

target "runtime-slim" {
  inherits = ["_published"]
  target = "runtime-slim"
  tags = tags("runtime-slim", "-slim")
}

target "runtime" {
  inherits = ["_published"]
  target = "runtime"
  tags = tags("runtime", "")
}

target "runtime-shell" {
  inherits = ["_published"]
  target = "runtime-shell"
  tags = tags("runtime-shell", "-shell")
}
