"""No file of the product imports another in a circle, imports inside functions included."""

from graphlib import TopologicalSorter

import grimp


def test_no_module_imports_itself_by_way_of_others():
    graph = grimp.build_graph("nascar_assets")
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    # Names the circle where there is one (graphlib.CycleError).
    TopologicalSorter(imports).prepare()


def test_what_is_imported_inside_functions_counts():
    graph = grimp.build_graph("nascar_assets")
    inside = "nascar_assets.orchestration.inputs.registering", "nascar_assets.slates.build"
    assert graph.direct_import_exists(importer=inside[0], imported=inside[1])
