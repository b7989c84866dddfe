"""Made by `python tests/support/public_names.py`."""

from inflor.api.checking import check as check
from inflor.api.comparing import compare as compare
from inflor.api.conversion import Conversion as Conversion
from inflor.api.conversion import convert as convert
from inflor.api.conversion import export_to as export_to
from inflor.api.conversion import exports as exports
from inflor.api.dumping import dumping_to as dumping_to
from inflor.api.estimating import estimate as estimate
from inflor.api.listing import TargetInfo as TargetInfo
from inflor.api.listing import list_targets as list_targets
from inflor.api.loading import load as load
from inflor.api.loading import load_dataset as load_dataset
from inflor.api.placement import Placed as Placed
from inflor.api.placement import place as place
from inflor.api.placement import violations as violations
from inflor.api.quantization import Quantized as Quantized
from inflor.api.quantization import quantize as quantize
from inflor.api.reporting import report as report
from inflor.api.running import run as run
from inflor.api.training import train as train
from inflor.converter.datasets.dataset import Dataset as Dataset
from inflor.converter.errors import InflorError as InflorError
from inflor.converter.errors import InputError as InputError
from inflor.converter.errors import MissingPartError as MissingPartError
from inflor.converter.errors import SimulationError as SimulationError
from inflor.converter.nir.graph import Graph as Graph
from inflor.converter.passes.conventions import Conventions as Conventions
from inflor.converter.train.loop import TrainResult as TrainResult
from inflor.converter.train.neurons import NeuronConfig as NeuronConfig
from inflor.demonstrate import DemoResult as DemoResult
from inflor.demonstrate import demo as demo
from inflor.describe import Description as Description
from inflor.describe import info as info
from inflor.page.comparison import Comparison as Comparison
from inflor.page.contents import Report as Report
from inflor.quant.fix.report import QuantReport as QuantReport
from inflor.quant.ir.network import IntegerNetwork as IntegerNetwork
from inflor.quant.ir.network import Population as Population
from inflor.quant.ir.network import Projection as Projection
from inflor.targets.api import Violation as Violation
from inflor.targets.cost.result import CostReport as CostReport
from inflor.targets.equivalence.compare import Equivalence as Equivalence
from inflor.targets.record.file import Record as Record

__version__: str
